"""The data sets shipped with the package, as pandas frames.

Each data set is one Arrow file. Its names of columns and levels are those of
MixedModels.jl where that package has the data, in lower case; `data/README.md`
in the source tree gives the origin of each and how the files are rebuilt.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .errors import CoreError, OptionError
from .options import answering, described

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["describe", "load", "names"]

# The folder `data` of the source tree is installed under this name.
_PACKAGE = "statsmodels_mixed._data"
_SUFFIX = ".arrow"


def names() -> tuple[str, ...]:
    """Names of the shipped data sets, sorted.

    Returns
    -------
    tuple of str

    Raises
    ------
    CoreError
        If the installation lacks the data files.

    See Also
    --------
    load, describe

    Examples
    --------
    >>> datasets.names()[:3]
    ('cake', 'cbpp', 'chem97')
    """
    return tuple(_files())


@answering({})
def load(name: Any) -> pd.DataFrame:
    """Read a shipped data set.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    DataFrame
        A new frame at every call, free to be changed. Columns are float64,
        int64 or categorical with strings as categories; nothing is missing.

    Raises
    ------
    OptionError
        If there is no data set of this name.
    CoreError
        If the installation lacks the data files.

    See Also
    --------
    names, describe

    Examples
    --------
    >>> datasets.load("sleepstudy").head(3)
       subj  days  reaction
    0  S308     0  249.5600
    1  S308     1  258.7047
    2  S308     2  250.8006
    """
    if not isinstance(name, str) or name not in names():
        close = difflib.get_close_matches(str(name).lower(), names(), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise OptionError(
            f"there is no data set {described(name)}: {hint}The shipped ones are "
            f"{', '.join(names())}."
        )
    return _frame(name).copy()


def describe() -> pd.DataFrame:
    """List the shipped data sets.

    Returns
    -------
    DataFrame
        One row per data set with columns `name`, `rows` (number of rows),
        `columns` (their names, separated by commas) and `description`.

    Raises
    ------
    CoreError
        If the installation lacks the data files.

    See Also
    --------
    names, load

    Examples
    --------
    >>> datasets.describe()[["name", "rows"]].head(3)
         name   rows
    0    cake    270
    1    cbpp     56
    2  chem97  31022
    """
    records = []
    for name in names():
        table = _read(name)
        records.append(
            {
                "name": name,
                "rows": table.num_rows,
                "columns": ", ".join(table.column_names),
                "description": table.schema.metadata[b"description"].decode(),
            }
        )
    return pd.DataFrame(records)


@cache
def _files() -> dict[str, Traversable]:
    """Map the name of each data set to its file, sorted by name."""
    folder: Traversable
    try:
        folder = resources.files(_PACKAGE)
    except ModuleNotFoundError:  # run from a source tree that is not installed
        folder = Path(__file__).resolve().parents[1] / "data"
    found = {}
    if folder.is_dir():
        found = {f.name: f for f in folder.iterdir() if f.name.endswith(_SUFFIX)}
    if not found:
        raise CoreError(f"the data files are missing from {folder}; reinstall statsmodels_mixed.")
    return {file.removesuffix(_SUFFIX): found[file] for file in sorted(found)}


def _read(name: str) -> pa.Table:
    """Read a file; through its bytes, so that the package may lie in a zip archive."""
    with pa.ipc.open_file(pa.BufferReader(_files()[name].read_bytes())) as reader:
        return reader.read_all()


@cache
def _frame(name: str) -> pd.DataFrame:
    """Convert a data set to a frame, once: all of them together take a few megabytes."""
    table = _read(name)
    return pd.DataFrame({c: _values(table.column(c).combine_chunks()) for c in table.column_names})


def _values(column: pa.Array) -> np.ndarray | pd.Categorical:
    """Convert one column of a file to what a frame holds.

    The files store integers in as few bytes as possible. They are widened here:
    the square of an int8 or int16 column in a formula would overflow silently.
    """
    if pa.types.is_dictionary(column.type):
        return pd.Categorical.from_codes(
            column.indices.to_numpy(),
            categories=pd.Index(column.dictionary.to_pylist()),
            ordered=column.type.ordered,
        )
    values: np.ndarray = column.to_numpy()
    return values.astype(np.int64) if values.dtype.kind == "i" else values
