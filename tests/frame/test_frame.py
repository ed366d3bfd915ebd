from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import patsy
import pytest
import statsmodels.formula

from statsmodels_mixed.errors import DataError, FormulaError, OptionError
from statsmodels_mixed.formula.terms import Grouping, Intercept, MixedFormula, RandomTerm
from statsmodels_mixed.frame.build import build_frame
from statsmodels_mixed.frame.new_data import NewData

N = 24
RNG = np.random.default_rng(4)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "x": RNG.normal(size=N),
        "f": np.array(["u", "v", "w"])[np.arange(N) % 3],
        "g": np.arange(N) // 4 + 10,
        "h": pd.Categorical(np.array(["s", "t"])[np.arange(N) % 2], ["t", "s", "never"]),
    },
    index=np.arange(N) * 10,
)


def term(effects="", grouping="g", intercept=Intercept.PRESENT, correlated=True):
    return RandomTerm(effects, Grouping(tuple(grouping.split("&"))), intercept, correlated)


def formula(fixed="1 + x", *random, response="y"):
    return MixedFormula(response, fixed, random or (term(),))


def fixed_matrix(frame, new):
    return NewData.of_table(new, frame).fixed()


def random_matrix(frame, block, new):
    data = NewData.of_table(new, frame)
    return data.random(block), data.levels(block).known


def test_a_frame_knows_its_rows_and_names():
    data = DATA.assign(extra=np.nan)
    data.loc[20, "x"] = np.nan
    frame = build_frame(formula("1 + x + f", term("x"), term("", "h")), data, weights="g")
    assert frame.n_dropped == 1
    assert frame.index.tolist() == [row for row in DATA.index if row != 20]
    assert list(frame.table.columns) == ["y", "x", "f", "g", "h"]
    assert frame.table.equals(data[["y", "x", "f", "g", "h"]].drop(index=20))
    assert frame.x_names == ("Intercept", "f[T.v]", "f[T.w]", "x")
    assert frame.term_slices == {"Intercept": slice(0, 1), "f": slice(1, 3), "x": slice(3, 4)}
    assert frame.response_name == "y"
    assert frame.response_levels is None
    np.testing.assert_array_equal(frame.y, DATA["y"].drop(index=20))
    np.testing.assert_array_equal(frame.weights, DATA["g"].drop(index=20))
    assert [part.name for part in frame.random] == ["g", "h"]


def test_transforms_see_only_the_rows_used():
    data = DATA.copy()
    data.loc[0, "y"] = np.nan
    frame = build_frame(formula("0 + center(x)"), data)
    used = DATA["x"].to_numpy()[1:]
    np.testing.assert_allclose(fixed_matrix(frame, DATA)[:, 0], DATA["x"] - used.mean())


def test_every_unknown_column_is_named_before_anything_else():
    model = formula("1 + X + np.log(z)", term("days", "subj&H"))
    with pytest.raises(DataError) as caught:
        build_frame(model, DATA, weights="w", contrasts={"nosuch": "sum"}, env={"np": np})
    assert str(caught.value) == (
        "the data have no columns 'X' (did you mean 'x'?), 'z', 'days', 'subj', "
        "'H' (did you mean 'h'?), 'w' of weights=."
    )


def test_names_outside_of_the_data_come_from_the_environment():
    def double(values):
        return 2 * values

    env = {"double": double, "power": 3, "outside": np.arange(N)}
    frame = build_frame(formula("0 + double(x) + I(x**power) + outside"), DATA, env=env)
    x = DATA["x"].to_numpy()
    expected = np.column_stack([2 * x, x**3, np.arange(N)])
    matrix = np.empty((N, 3))
    frame.fixed.fill(frame.rows, matrix)
    np.testing.assert_array_equal(matrix, expected)
    assert list(frame.table.columns) == ["y", "x", "g"]
    captured = build_frame(formula("0 + double(x)"), DATA, env=patsy.EvalEnvironment.capture())
    np.testing.assert_array_equal(fixed_matrix(captured, DATA)[:, 0], 2 * x)


def test_a_grouping_factor_must_be_a_column():
    with pytest.raises(DataError, match="no column 'outside'"):
        build_frame(formula("1", term("", "outside")), DATA, env={"outside": np.arange(N)})


def test_an_outside_array_cannot_follow_dropped_rows():
    data = DATA.assign(y=[np.nan, *DATA["y"][1:]])
    with pytest.raises(DataError, match="'outside' gives 24 values for 23 rows"):
        build_frame(formula("1 + outside"), data, env={"outside": np.arange(N)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "omit"}, "missing= is 'drop', 'raise' or 'none', not 'omit'"),
        ({"engine": "R"}, "engine= is 'patsy' or 'formulaic', not 'R'"),
        ({"contrasts": {"h": "sum"}}, "'h', which the formula does not use"),
        ({"contrasts": {"g": "sum"}}, "'g', which is used only as .* grouping factor"),
        ({"contrasts": {"y": "sum"}}, "'y', which is used only as response"),
    ],
)
def test_options_that_do_not_exist_or_apply(options, message):
    with pytest.raises(OptionError, match=message):
        build_frame(formula(), DATA, **options)


def test_a_term_without_columns():
    with pytest.raises(FormulaError, match=r"the random-effects term \(0 | g\) has no columns"):
        build_frame(formula("1", term("", intercept=Intercept.OMITTED)), DATA)


def test_missing_grouping_values_cannot_pass():
    data = DATA.assign(g=[None, *DATA["g"][1:]])
    with pytest.raises(DataError, match="the grouping factor 'g' has missing values"):
        build_frame(formula(), data, missing="none")


@pytest.mark.parametrize(
    ("values", "levels", "codes"),
    [
        ([True, False, True], (False, True), [1, 0, 1]),
        (["no", "yes", "no"], ("no", "yes"), [0, 1, 0]),
        (pd.Categorical(["no", "yes", "no"], ["yes", "no"]), ("yes", "no"), [1, 0, 1]),
        ([3, 1, 2], None, [3, 1, 2]),
    ],
)
def test_a_response_of_labels_becomes_codes(values, levels, codes):
    data = pd.DataFrame({"y": values, "g": [1, 1, 2]})
    frame = build_frame(formula("1"), data)
    assert frame.response_levels == levels
    assert frame.y.tolist() == codes


def test_a_response_may_be_an_expression_or_have_an_odd_name():
    frame = build_frame(formula(response="np.exp(y)"), DATA, env={"np": np})
    assert frame.response_name == "np.exp(y)"
    np.testing.assert_array_equal(frame.y, np.exp(DATA["y"]))
    odd = build_frame(formula(response='Q("yield")'), DATA.rename(columns={"y": "yield"}))
    assert odd.response_name == "yield"


def test_the_engine_is_the_one_statsmodels_is_set_to():
    assert build_frame(formula(), DATA).engine == "patsy"
    try:
        statsmodels.formula.options.formula_engine = "formulaic"
        frame = build_frame(formula("1 + x + f", term("x")), DATA)
    finally:
        statsmodels.formula.options.formula_engine = "patsy"
    assert frame.engine == "formulaic"
    assert frame.x_names == ("Intercept", "f[T.v]", "f[T.w]", "x")
    expected = build_frame(formula("1 + x + f"), DATA)
    np.testing.assert_array_equal(fixed_matrix(frame, DATA), fixed_matrix(expected, DATA))


def test_later_changes_of_the_data_do_not_reach_the_frame():
    data = DATA.copy()
    frame = build_frame(formula(), data)
    data.loc[0, ["x", "y"]] = 99.0
    assert frame.table.equals(DATA[["y", "x", "g"]])


# --- new data


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_new_data_need_no_response(engine):
    frame = build_frame(formula("1 + x*f"), DATA, engine=engine)
    new = pd.DataFrame({"f": ["w", "u"], "x": [2.0, 3.0]})
    expected = {"Intercept": [1, 1], "f[T.v]": [0, 0], "f[T.w]": [1, 0], "x": [2, 3]}
    matrix = pd.DataFrame(fixed_matrix(frame, new), columns=frame.x_names)
    assert matrix[list(expected)].to_dict("list") == expected
    assert matrix.iloc[:, 4:].to_numpy().tolist() == [[0, 2], [0, 0]]


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_missing_values_of_new_data_become_rows_of_nan(engine):
    frame = build_frame(formula("1 + x + f", term("x")), DATA, engine=engine)
    new = {"x": [np.nan, 1.0, 2.0], "f": ["u", "v", None], "g": [10, 11, 12]}
    matrix = fixed_matrix(frame, new)
    assert matrix[1].tolist() == [1, 1, 0, 1]
    assert np.isnan(matrix[[0, 2]]).all()
    z, refs = random_matrix(frame, 0, new)
    assert refs.tolist() == [0, 1, 2]
    assert z[1:].tolist() == [[1, 1], [1, 2]]
    assert np.isnan(z[0]).all()


def test_new_data_without_a_complete_row():
    frame = build_frame(formula("1 + x + f"), DATA)
    assert np.isnan(fixed_matrix(frame, {"x": [np.nan], "f": ["u"]})).all()


def test_new_data_that_do_not_fit():
    frame = build_frame(formula("1 + x + f"), DATA)
    with pytest.raises(DataError, match="'f' has the level 'z', not among the model's"):
        fixed_matrix(frame, {"x": [1.0], "f": ["z"]})
    with pytest.raises(DataError, match="no columns 'f', 'x'"):
        fixed_matrix(frame, {"y": [1.0]})


def test_levels_of_grouping_factors_are_found_in_new_data():
    frame = build_frame(formula("1", term("x"), term("", "g&h")), DATA)
    names = [part.name for part in frame.random]
    # Even and odd rows have one level of h each, so all 12 combinations occur.
    assert names == ["g", "g & h"]
    new = {"x": [1.0, 2.0, 3.0, 4.0], "g": [15, 10, 99, 11], "h": ["t", "s", "s", None]}
    z, refs = random_matrix(frame, 0, new)
    assert refs.tolist() == [5, 0, -1, 1]
    np.testing.assert_array_equal(z, np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]]))
    z, refs = random_matrix(frame, 1, new)
    assert refs.tolist() == [10, 1, -1, -1]
    assert z.tolist() == [[1.0]] * 4


def test_some_columns_of_random_effects():
    frame = build_frame(formula("1", term("x + f")), DATA)
    assert frame.random[0].names == ("Intercept", "f[T.v]", "f[T.w]", "x")
    whole = NewData.of_table(DATA, frame).random(0)
    np.testing.assert_array_equal(whole, random_matrix(frame, 0, DATA)[0])
    for wanted in ([1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]):
        mask = np.array(wanted, dtype=bool)
        names = ["y", *["f"] * wanted[1], *["x"] * wanted[3]]
        z = NewData.of_table(DATA[names], frame).random(0, mask)
        np.testing.assert_array_equal(z, whole * mask)
    absent = DATA.assign(x=np.where(np.arange(N) < 2, np.nan, DATA["x"]))
    z = NewData.of_table(absent, frame).random(0, np.array([True, False, False, True]))
    assert np.isnan(z[:2, [0, 3]]).all()
    np.testing.assert_array_equal(z[2:], whole[2:] * [1, 0, 0, 1])


def test_levels_of_new_data_are_told_apart():
    frame = build_frame(formula("1", term(), term("", "g&h")), DATA)
    assert [part.name for part in frame.random] == ["g & h", "g"]
    new = {"g": [99, 10, 99, np.nan, 7, 7], "h": ["t", "s", "t", "s", None, "zz"]}
    codes, levels = NewData.of_table(new, frame).levels(1).own
    assert codes.tolist() == [2, 1, 2, -1, 0, 0]
    assert levels.tolist() == [7, 10, 99]
    assert NewData.of_table(new, frame).levels(1).known.tolist() == [-1, 0, -1, -1, -1, -1]
    codes, levels = NewData.of_table(new, frame).levels(0).own
    assert codes.tolist() == [2, 1, 2, -1, -1, 0]
    assert levels.tolist() == [(7, "zz"), (10, "s"), (99, "t")]
    none, levels = NewData.of_table({"g": [np.nan], "h": ["s"]}, frame).levels(0).own
    assert none.tolist() == [-1]
    assert len(levels) == 0


def test_a_grouping_factor_that_changed_its_type():
    frame = build_frame(formula(), DATA)
    with pytest.raises(DataError, match="the grouping factor 'g' holds text, unlike"):
        random_matrix(frame, 0, {"g": ["10", "11"]})
    assert random_matrix(frame, 0, {"g": [None, None]})[1].tolist() == [-1, -1]


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_a_frame_survives_pickling_and_the_loss_of_its_rows(engine):
    fixed = "1 + f + bs(x, df=4) + np.exp(x)"
    frame = build_frame(formula(fixed, term("center(x)")), DATA, env={"np": np}, engine=engine)
    expected = fixed_matrix(frame, DATA), random_matrix(frame, 0, DATA)
    for again in (pickle.loads(pickle.dumps(frame)), frame.without_rows()):
        again = pickle.loads(pickle.dumps(again))
        assert again.formula == frame.formula
        assert again.term_slices == frame.term_slices
        np.testing.assert_array_equal(fixed_matrix(again, DATA), expected[0])
        z, refs = random_matrix(again, 0, DATA)
        np.testing.assert_array_equal(z, expected[1][0])
        np.testing.assert_array_equal(refs, expected[1][1])
    assert len(frame.without_rows().table) == 0
    assert len(pickle.dumps(frame.without_rows())) < len(pickle.dumps(frame))
