from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import patsy
import pytest
from patsy.eval import EvalEnvironment

from statsmodels_mixed.errors import DataError, FormulaError, OptionError
from statsmodels_mixed.frame.matrices import engine, engine_formulaic
from statsmodels_mixed.frame.matrices.factors import Rows
from statsmodels_mixed.frame.matrices.parts import FormulaPart, read_code
from statsmodels_mixed.frame.table.columns import tidy_values
from statsmodels_mixed.frame.table.table import open_table

RNG = np.random.default_rng(0)
N = 24
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "i": np.arange(N) % 5,
        "f": pd.Categorical(np.array(["lo", "mid", "hi"])[np.arange(N) % 3], ["lo", "mid", "hi"]),
        "g": np.array(["u", "v"], dtype=object)[np.arange(N) // 2 % 2],
        "s": pd.array(np.array(["p", "q", "r", "s"])[np.arange(N) // 6], dtype="str"),
        "b": np.arange(N) % 7 > 2,
        "odd name": RNG.normal(size=N),
    },
    index=np.arange(N) + 100,
)


def rows_of(data: pd.DataFrame) -> Rows:
    table = open_table(data)
    columns = table.read(list(table.names))
    return Rows({name: tidy_values(series) for name, series in columns.items()}, table.index)


def plus_one(values):
    assert isinstance(values, pd.Series)
    return values + 1


ENV = EvalEnvironment([{"np": np, "plus_one": plus_one, "shift": 2.5}])


def make(text, data=DATA, contrasts=None, implied=False, learn=engine.learn):
    matrix = learn([FormulaPart(text, implied)], rows_of(data), contrasts or {}, ENV)[0]
    return matrix, build(matrix, data)


def build(matrix, data):
    out = np.full((len(data), len(matrix.names)), -99.0)
    matrix.fill(rows_of(data), out)
    return out


SAME_AS_PATSY = [
    "1",
    "0",
    "1 + x",
    "0 + x",
    "1 + f",
    "0 + f",
    "1 + x + f",
    "1 + f*g",
    "0 + f:g",
    "1 + f:g",
    "1 + f + f:g",
    "1 + g:f:s",
    "1 + x:f",
    "1 + x*f*g",
    "0 + x:i + f:b",
    "1 + b",
    "1 + s",
    "1 + i",
    "1 + C(i)",
    "1 + C(i, Sum)",
    "0 + C(f, levels=['hi', 'lo', 'mid'])",
    "1 + C(g, Treatment('v'))",
    "1 + C(s, Poly)",
    "1 + np.log(x**2) + np.exp(x):f",
    "1 + center(x) + standardize(i)",
    "1 + bs(x, df=4)",
    "1 + cr(x, df=3):g",
    "1 + I(x > 0) + I(i / 2)",
    "1 + Q('odd name') + x",
    "1 + np.log(Q('odd name')**2)",
    "1 + plus_one(x) + I(x + shift)",
    "1 + x.shift(1).fillna(0)",
    "1 + g.str.upper()",
    "1 + I(s == 'p')",
    "1 + f + x + g + i + f:x",
]


@pytest.mark.parametrize("text", SAME_AS_PATSY)
def test_matrices_are_those_of_patsy(text):
    # Patsy itself cannot read pandas' own string type.
    plain = DATA.assign(s=DATA["s"].astype(object))
    expected = patsy.dmatrix(text, plain, eval_env=ENV)
    matrix, values = make(text)
    assert matrix.names == tuple(expected.design_info.column_names)
    assert matrix.slices == dict(expected.design_info.term_name_slices)
    np.testing.assert_array_equal(values, np.asarray(expected))


@pytest.mark.parametrize("text", [text for text in SAME_AS_PATSY if "shift(1)" not in text])
def test_new_rows_are_coded_as_the_old_ones(text):
    matrix, values = make(text)
    # Any selection of old rows gives the old rows of the matrix: transforms remember.
    chosen = np.array([3, 11, 3, 20])
    np.testing.assert_allclose(build(matrix, DATA.iloc[chosen]), values[chosen], rtol=1e-12)


@pytest.mark.parametrize("text", [text for text in SAME_AS_PATSY if "plus_one" not in text])
def test_a_pickled_matrix_is_the_same(text):
    matrix, values = make(text)
    again = pickle.loads(pickle.dumps(matrix))
    assert again.names == matrix.names
    np.testing.assert_array_equal(build(again, DATA), values)


def test_a_function_that_cannot_be_pickled_is_missed_only_when_needed():
    env = EvalEnvironment([{"local": lambda x: x + 1}])
    matrix = engine.learn([FormulaPart("1 + local(x)")], rows_of(DATA), {}, env)[0]
    again = pickle.loads(pickle.dumps(matrix))
    assert again.names == ("Intercept", "local(x)")
    with pytest.raises(DataError, match="'local' could not be saved with the model"):
        build(again, DATA)


def test_an_implied_intercept_codes_but_has_no_column():
    matrix, values = make("1 + f", implied=True)
    assert matrix.names == ("f[T.mid]", "f[T.hi]")
    assert matrix.slices == {"f": slice(0, 2)}
    level = DATA["f"].to_numpy()
    np.testing.assert_array_equal(values, np.column_stack([level == "mid", level == "hi"]))


def test_fulldummy_has_all_indicators_beside_an_intercept():
    matrix, values = make("1 + fulldummy(i)")
    assert matrix.names == ("Intercept", "i[0]", "i[1]", "i[2]", "i[3]", "i[4]")
    assert list(matrix.slices) == ["Intercept", "fulldummy(i)"]
    np.testing.assert_array_equal(values[:, 1:], np.eye(5)[DATA["i"]])
    without, _ = make("0 + fulldummy(i)")
    assert without.names == matrix.names[1:]


def test_fulldummy_in_an_interaction():
    matrix, values = make("1 + x + x:fulldummy(f)")
    assert matrix.names == ("Intercept", "x", "x:f[lo]", "x:f[mid]", "x:f[hi]")
    indicators = np.eye(3)[DATA["f"].cat.codes]
    np.testing.assert_array_equal(values[:, 2:], indicators * DATA[["x"]].to_numpy())


def test_a_column_can_be_a_number_and_fulldummy_at_once():
    matrix, values = make("1 + i + fulldummy(i)")
    assert matrix.names[-1] == "i"
    np.testing.assert_array_equal(values[:, -1], DATA["i"])


@pytest.mark.parametrize("text", ["1 + fulldummy(x + i)", "1 + fulldummy(f, g)"])
def test_fulldummy_of_anything_else(text):
    with pytest.raises(FormulaError, match="fulldummy takes the name of one column"):
        make(text)


@pytest.mark.parametrize(
    ("contrast", "in_patsy"),
    [(patsy.Sum(), "Sum"), (patsy.Helmert, "Helmert"), (patsy.Treatment(3), "Treatment(3)"),
     (None, "Treatment"), (np.arange(10.0).reshape(5, 2), "M")],
)  # fmt: skip
def test_a_contrast_given_beside_the_formula(contrast, in_patsy):
    env = ENV.with_outer_namespace({"M": np.arange(10.0).reshape(5, 2)})
    expected = patsy.dmatrix(f"1 + C(i, {in_patsy})*x", DATA, eval_env=env)
    matrix, values = make("1 + i*x", contrasts={"i": contrast})
    np.testing.assert_array_equal(values, np.asarray(expected))
    names = expected.design_info.column_names
    assert matrix.names == tuple(name.replace(f"C(i, {in_patsy})", "i") for name in names)


def test_a_contrast_reaches_the_bare_column_only():
    matrix, values = make("1 + i + np.exp(i)", contrasts={"i": None})
    assert matrix.names == ("Intercept", "i[T.1]", "i[T.2]", "i[T.3]", "i[T.4]", "np.exp(i)")
    np.testing.assert_array_equal(values[:, -1], np.exp(DATA["i"]))


def test_categories_that_do_not_occur_have_no_column():
    some = DATA[DATA["f"] != "mid"]
    assert make("1 + f", some)[0].names == ("Intercept", "f[T.hi]")
    assert make("1 + C(f)", some)[0].names == ("Intercept", "C(f)[T.hi]")


def test_numbers_held_as_objects_are_numbers():
    data = pd.DataFrame({"x": pd.Series([1, 2, 4], dtype=object)})
    assert make("1 + x", data)[1].tolist() == [[1, 1], [1, 2], [1, 4]]


def test_new_levels_are_refused():
    matrix, _ = make("1 + f*g")
    new = DATA.iloc[:2].assign(g=["u", "w"])
    with pytest.raises(DataError, match=r"'g' has the level 'w', not among the model's \('u', 'v'"):
        build(matrix, new)


def test_numbers_stay_numbers_and_labels_labels():
    matrix, _ = make("1 + x + g")
    with pytest.raises(DataError, match="'x' must hold numbers"):
        build(matrix, DATA.assign(x="a"))
    expression, _ = make("1 + C(i) + np.abs(x)")
    with pytest.raises(DataError, match=r"'C\(i\)' has the level 9"):
        build(expression, DATA.assign(i=9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 + np.log(g)", r"'np.log\(g\)' cannot be computed: "),
        ("1 + unknown(x)", r"'unknown\(x\)' cannot be computed: .*name 'unknown'"),
        ("1 + when", "'when' holds dates or times"),
        ("1 + x[:3]", "gives 3 values for 24 rows"),
        ("1 + C(g, Treatment('zz'))", "does not fit the data: specified level 'zz' not found"),
        ("1 + center(g)", r"'center\(g\)' cannot be computed"),
    ],
)
def test_terms_that_cannot_be_computed_are_named(text, message):
    data = DATA.assign(when=pd.Timestamp("2020-01-01"))
    with pytest.raises(DataError, match=message):
        make(text, data)


def test_dates_may_be_made_categorical():
    data = pd.DataFrame({"when": pd.to_datetime(["2020-01-02", "2020-01-01"])})
    assert len(make("1 + when", data, {"when": None})[0].names) == 2


def test_data_win_over_the_environment():
    env = EvalEnvironment([{"x": np.zeros(N), "np": np}])
    matrix = engine.learn([FormulaPart("0 + x + np.abs(x)")], rows_of(DATA), {}, env)[0]
    x = DATA["x"].to_numpy()
    np.testing.assert_array_equal(build(matrix, DATA), np.column_stack([x, np.abs(x)]))


def test_a_column_may_have_the_name_of_a_function():
    data = DATA.rename(columns={"x": "center"})
    matrix, values = make("1 + center(i)", data)
    np.testing.assert_allclose(values[:, 1], DATA["i"] - DATA["i"].mean())
    assert matrix.columns == ("i",)


def test_columns_named_like_keywords_are_shown_plainly():
    matrix, _ = make('1 + Q("class")*x', DATA.rename(columns={"f": "class"}))
    assert matrix.names[1:3] == ("class[T.mid]", "class[T.hi]")
    assert list(matrix.slices) == ["Intercept", "class", "x", "class:x"]


def test_several_sides_share_their_factors():
    sides = [
        FormulaPart("y", response=True),
        FormulaPart("1 + center(x)"),
        FormulaPart("0 + center(x)"),
    ]
    rows = rows_of(DATA.assign(y=1.0))
    _, fixed, random = engine.learn(sides, rows, {}, ENV)
    assert fixed.factors == random.factors


def test_what_code_refers_to():
    assert read_code("x").column == "x"
    assert read_code('Q("odd name")').column == "odd name"
    assert read_code('fulldummy(Q("odd name"))').all_levels
    code = read_code("np.log(x) + w.shift(k)")
    assert code.column == ""
    assert set(code.names) == {"x", "k"}
    assert set(code.modules) == {"np", "w"}


def test_contrasts_by_name():
    read = engine.read_contrasts({"a": "sum", "b": "Categorical", "c": None}, "abc", "")
    assert read == {"a": patsy.Sum, "b": None, "c": None}


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        ({"zz": "sum"}, "'zz', which the formula does not use"),
        ({"g": "sum"}, "'g', which is used only as response, as grouping factor or inside"),
        ({"x": "nosuch"}, "'nosuch' for 'x' is not one of 'categorical', 'treatment'"),
        ({"x": 3}, "is not a contrast of patsy: 3"),
    ],
)
def test_contrasts_that_do_not_apply(contrasts, message):
    with pytest.raises(OptionError, match=message):
        engine.read_contrasts(contrasts, ["x"], ["x", "g"])


# Terms for which the two engines have the same words and the same meaning.
SAME_IN_BOTH = [
    "1",
    "1 + x",
    "0 + f",
    "1 + x + f*g",
    "1 + np.exp(x):f",
    "1 + center(x)",
    "1 + C(i)",
]


@pytest.mark.parametrize(
    ("text", "implied"),
    [(text, False) for text in SAME_IN_BOTH]
    + [(text, True) for text in SAME_IN_BOTH if text.startswith("1")],
)
def test_formulaic_agrees_with_patsy(text, implied):
    expected, values = make(text, implied=implied)
    matrix, found = make(text, implied=implied, learn=engine_formulaic.learn)
    assert [set(name.split(":")) for name in matrix.names] == [
        set(name.split(":")) for name in expected.names
    ]
    assert list(matrix.slices.values()) == list(expected.slices.values())
    assert set(matrix.columns) == set(expected.columns)
    np.testing.assert_allclose(found, values, rtol=1e-12)
    again = pickle.loads(pickle.dumps(matrix))
    np.testing.assert_array_equal(build(again, DATA), found)
    chosen = DATA.iloc[[3, 11, 3, 20]]
    np.testing.assert_allclose(build(matrix, chosen), build(expected, chosen), rtol=1e-12)


def test_formulaic_refuses_what_it_cannot_say():
    with pytest.raises(OptionError, match="fulldummy is not available with formulaic"):
        make("1 + fulldummy(i)", learn=engine_formulaic.learn)
    with pytest.raises(OptionError, match="contrasts= is not available with formulaic"):
        make("1 + i", contrasts={"i": None}, learn=engine_formulaic.learn)
    matrix, _ = make("1 + g", learn=engine_formulaic.learn)
    with pytest.raises(DataError, match="outside of the nominated levels"):
        build(matrix, DATA.iloc[:2].assign(g=["u", "w"]))
    with pytest.raises(DataError, match="formulaic cannot make '1 \\+ nosuch\\(x\\)'"):
        make("1 + nosuch(x)", learn=engine_formulaic.learn)
