from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import patsy
import pytest

from statsmodels_mixed.errors import DataError
from statsmodels_mixed.formula.parse import parse
from statsmodels_mixed.formula.terms import Grouping, Intercept, MixedFormula, RandomTerm
from statsmodels_mixed.frame.build import build_frame
from statsmodels_mixed.frame.design import build_design
from statsmodels_mixed.frame.design_checks import check_groupings, check_linear_response
from statsmodels_mixed.frame.new_data import NewData

# Two groups of three rows, small enough to write every matrix down.
SMALL = pd.DataFrame(
    {
        "y": [1.0, 2.0, 4.0, 3.0, 5.0, 9.0],
        "x": [0, 1, 2, 0, 1, 2],
        "f": ["a", "b", "c", "a", "b", "c"],
        "g": [7, 7, 7, 3, 3, 3],
        "h": ["v", "u", "u", "v", "u", "v"],
    }
)


def design(text, data=SMALL, **options):
    formula = parse(text) if isinstance(text, str) else text
    return build_design(build_frame(formula, data, **options))


def test_a_design_by_hand():
    made = design("y ~ 1 + x + (1 + x | g)", weights=[1, 2, 3, 4, 5, 6], offset="x")
    assert made.y.tolist() == SMALL["y"].tolist()
    expected = [[1, 0], [1, 1], [1, 2], [1, 0], [1, 1], [1, 2]]
    assert made.X.tolist() == expected
    assert made.x_names == ("Intercept", "x")
    assert made.response_name == "y"
    assert made.weights.tolist() == [1, 2, 3, 4, 5, 6]
    assert made.offset.tolist() == [0, 1, 2, 0, 1, 2]
    (block,) = made.blocks
    assert block.name == "g"
    assert block.z.tolist() == expected
    assert block.refs.tolist() == [1, 1, 1, 0, 0, 0]
    assert block.levels.tolist() == [3, 7]
    assert block.levels.name == "g"
    assert block.names == ("Intercept", "x")
    assert block.pattern.tolist() == [[True, False], [True, True]]


def test_arrays_are_laid_out_as_promised_and_our_own():
    made = design("y ~ 1 + x + (1 + x | g)", weights="y", offset="y")
    assert made.X.dtype == made.y.dtype == made.blocks[0].z.dtype == np.float64
    assert made.X.flags.c_contiguous
    assert made.blocks[0].z.flags.c_contiguous
    assert made.y.flags.c_contiguous
    assert made.blocks[0].refs.dtype == np.int32
    for array in (made.y, made.weights, made.offset):
        assert not np.shares_memory(array, SMALL["y"].to_numpy())
    none = design("y ~ 0 + (1 | g)")
    assert none.X.shape == (6, 0)
    assert none.weights is None
    assert none.offset is None


# The columns of a random-effects term, by what it says about its intercept.
INTERCEPTS = {
    "(1 + f | g)": ("Intercept", "f[T.b]", "f[T.c]"),
    "(f | g)": ("Intercept", "f[T.b]", "f[T.c]"),
    "(0 + f | g)": ("f[a]", "f[b]", "f[c]"),
    "(1 | g) + (f | g)": ("Intercept", "f[T.b]", "f[T.c]"),
    "(1 | g) + (0 + f | g)": ("Intercept", "f[a]", "f[b]", "f[c]"),
    "(1 | g) + (1 | h) + (x | g)": ("Intercept", "x"),
    "(1 + fulldummy(x) | g)": ("Intercept", "x[0]", "x[1]", "x[2]"),
    "(0 + x:f | g)": ("x:f[a]", "x:f[b]", "x:f[c]"),
    "(x || g)": ("Intercept", "x"),
}


@pytest.mark.parametrize(("random", "names"), INTERCEPTS.items(), ids=INTERCEPTS)
def test_the_intercept_rule(random, names):
    block = next(b for b in design(f"y ~ 1 + {random}").blocks if b.name == "g")
    assert block.names == names
    full = {
        "Intercept": np.ones(6),
        "x": SMALL["x"],
        **{f"x[{i}]": SMALL["x"] == i for i in range(3)},
        **{f"f[{level}]": SMALL["f"] == level for level in "abc"},
        **{f"f[T.{level}]": SMALL["f"] == level for level in "abc"},
        **{f"x:f[{level}]": SMALL["x"] * (SMALL["f"] == level) for level in "abc"},
    }
    np.testing.assert_array_equal(block.z, np.column_stack([full[name] for name in names]))


def test_terms_with_one_grouping_factor_are_gathered():
    made = design("y ~ 1 + (1 + x | g) + (1 | h) + zerocorr(0 + f | g)")
    assert [block.name for block in made.blocks] == ["g", "h"]
    block = made.blocks[0]
    assert [str(term) for term in block.terms] == ["(1 + x | g)", "zerocorr(0 + f | g)"]
    assert block.names == ("Intercept", "x", "f[a]", "f[b]", "f[c]")
    expected = np.eye(5, dtype=bool)
    expected[1, 0] = True
    np.testing.assert_array_equal(block.pattern, expected)
    assert not np.triu(block.pattern, 1).any()


def test_blocks_come_by_size_then_in_formula_order():
    data = pd.DataFrame(
        {
            "y": np.arange(12.0) ** 2,
            "x": np.arange(12) % 5,
            "three": np.arange(12) % 3,
            "two": np.arange(12) % 2,
            "six": np.arange(12) % 6,
            "halves": np.arange(12) // 6,
        }
    )
    made = design("y ~ 1 + (1 | two) + (1 | halves) + (1 | three) + (1 + x | six)", data)
    assert [block.name for block in made.blocks] == ["six", "three", "two", "halves"]
    # A pair of levels with four effects outnumbers three levels with one.
    wide = design("y ~ 1 + (1 | three) + (1 + C(x) | two)", data)
    assert [block.name for block in wide.blocks] == ["two", "three"]


def test_new_data_see_the_blocks_in_the_same_order():
    frame = build_frame(parse("y ~ 1 + (1 | h) + (x | g)"), SMALL)
    for position, block in enumerate(build_design(frame).blocks):
        new = NewData.of_table(SMALL, frame)
        np.testing.assert_array_equal(new.random(position), block.z)
        np.testing.assert_array_equal(new.levels(position).known, block.refs)


def test_interactions_and_nesting_of_grouping_factors():
    made = design("y ~ 1 + (1 | g/h)")
    assert [block.name for block in made.blocks] == ["g & h", "g"]
    inner = made.blocks[0]
    assert inner.levels.tolist() == [(3, "u"), (3, "v"), (7, "u"), (7, "v")]
    assert list(inner.levels.names) == ["g", "h"]
    assert inner.refs.tolist() == [3, 2, 2, 1, 0, 1]


def test_the_fixed_part_and_the_slopes_use_the_same_contrasts():
    made = design("y ~ 1 + x + (1 + x | g)", contrasts={"x": patsy.Sum()})
    expected = np.array([[1, 1, 0], [1, 0, 1], [1, -1, -1]] * 2)
    np.testing.assert_array_equal(made.X, expected)
    np.testing.assert_array_equal(made.blocks[0].z, expected)
    assert made.x_names == made.blocks[0].names == ("Intercept", "x[S.0]", "x[S.1]")
    named = design("y ~ 1 + x + (1 + x | g)", contrasts={"x": "categorical"})
    assert named.x_names == ("Intercept", "x[T.1]", "x[T.2]")


def test_stateful_transforms_in_slopes():
    made = design("y ~ 1 + (1 + center(x) | g)")
    assert made.blocks[0].z[:, 1].tolist() == [-1, 0, 1, -1, 0, 1]


@pytest.fixture(scope="module")
def large():
    rng = np.random.default_rng(5)
    n = 200
    data = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "g": rng.integers(0, 9, n),
            "h": rng.choice(list("pqrst"), n),
        }
    )
    return data, "y ~ 1 + x*f + bs(x, df=4) + (1 + center(x) | g) + (0 + f | h) + (1 | g:h)"


def test_permuted_rows_permute_the_design(large):
    data, text = large
    order = np.random.default_rng(6).permutation(len(data))
    made, permuted = design(text, data), design(text, data.iloc[order])
    np.testing.assert_allclose(permuted.X, made.X[order], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(permuted.y, made.y[order])
    for block, other in zip(made.blocks, permuted.blocks, strict=True):
        np.testing.assert_allclose(other.z, block.z[order], rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(other.refs, block.refs[order])
        assert other.levels.equals(block.levels)


def test_renamed_levels_rename_and_nothing_else(large):
    data, text = large
    renamed = data.assign(g=data["g"].map("level {}".format), h=data["h"].str.upper())
    made, other = design(text, data), design(text, renamed)
    np.testing.assert_array_equal(made.X, other.X)
    for block, same in zip(made.blocks, other.blocks, strict=True):
        np.testing.assert_array_equal(block.z, same.z)
        np.testing.assert_array_equal(block.refs, same.refs)


@pytest.mark.parametrize("dtype", ["str", object, "category", "string"])
def test_the_type_of_labels_does_not_matter(large, dtype):
    data, text = large
    made, other = design(text, data), design(text, data.astype({"f": dtype, "h": dtype}))
    assert made.x_names == other.x_names
    np.testing.assert_array_equal(made.X, other.X)
    for block, same in zip(made.blocks, other.blocks, strict=True):
        np.testing.assert_array_equal(block.z, same.z)
        np.testing.assert_array_equal(block.refs, same.refs)
        assert block.levels.tolist() == same.levels.tolist()


def test_the_library_of_the_table_does_not_matter(large):
    data, text = large
    import pyarrow

    made = design(text, data)
    tables = [pyarrow.Table.from_pandas(data), {name: data[name].to_numpy() for name in data}]
    for table in tables:
        other = design(text, table)
        np.testing.assert_array_equal(made.X, other.X)
        for block, same in zip(made.blocks, other.blocks, strict=True):
            np.testing.assert_array_equal(block.z, same.z)
            np.testing.assert_array_equal(block.refs, same.refs)


def test_both_engines_make_the_same_design(large):
    data, _ = large
    text = "y ~ 1 + x*f + (1 + center(x) | g) + (f | g:h) + (0 + f | h)"
    made, other = design(text, data), design(text, data, engine="formulaic")
    np.testing.assert_allclose(made.X, other.X, rtol=1e-12)
    for block, same in zip(made.blocks, other.blocks, strict=True):
        assert block.names == same.names
        np.testing.assert_allclose(block.z, same.z, rtol=1e-12)


# --- values that are not finite


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("y ~ 1 + x + (1 | g)", "x", r"'x' is infinite in 1 row \(first: 20\)"),
        ("y ~ 1 + (x | g)", "x", r"'x' is infinite in 1 row \(first: 20\)"),
        ("y ~ 1 + (1 | g)", "y", r"'y' is infinite in 1 row \(first: 20\)"),
    ],
)
def test_infinite_values_are_refused(text, column, message):
    data = SMALL.set_index(np.arange(6) * 10).astype({"x": float})
    data.loc[20, column] = -np.inf
    with pytest.raises(DataError, match=message):
        design(text, data)


def test_infinity_that_an_expression_removes_is_no_matter():
    data = SMALL.assign(x=[1.0, 2.0, np.inf, 1.0, 2.0, 4.0])
    assert design("y ~ 1 + I(1 / x) + (1 | g)", data).X[2, 1] == 0.0


def test_nan_made_by_an_expression_is_dropped_like_a_missing_value_or_refused():
    data = SMALL.assign(x=[-1.0, 2.0, 3.0, -1.0, 2.0, 3.0])
    message = r"'np.sqrt\(x\)' is NaN in 2 rows \(first: 0, 3\) although the data are not missing"
    with np.errstate(invalid="ignore"):
        with pytest.raises(DataError, match=message):
            design("y ~ 1 + np.sqrt(x) + (1 | g)", data, env={"np": np}, missing="raise")
        made = design("y ~ 1 + np.sqrt(x) + (1 | g)", data, env={"np": np})
        assert made.X[:, 1].tolist() == np.sqrt([2.0, 3.0, 2.0, 3.0]).tolist()
        with pytest.raises(DataError, match=r"is NaN in 2 rows .* pass missing=\"drop\""):
            design("y ~ 1 + np.sqrt(x) + (1 | g)", data, env={"np": np}, missing="none")


def test_missing_values_that_are_filled_pass_when_asked_to():
    data = SMALL.assign(x=[np.nan, 1, 2, 0, 1, 2])
    made = design("y ~ 1 + x.fillna(7) + (1 | g)", data, missing="none")
    assert made.X[0, 1] == 7


# --- what models ask of a design


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (["a", "b", "a", "b", "a", "b"], r"'y' holds labels \('a', 'b'\): a linear model"),
        (pd.Categorical(list("abcdab")), r"'y' holds labels \('a', 'b', 'c', ...\)"),
        ([2.5] * 6, r"'y' is constant \(2.5\)"),
        ([True] * 6, r"'y' is constant \(1\)"),
    ],
)
def test_responses_a_linear_model_cannot_have(response, message):
    with pytest.raises(DataError, match=message):
        check_linear_response(design("y ~ 1 + (1 | g)", SMALL.assign(y=response)))


def test_a_response_of_two_columns():
    formula = MixedFormula("np.column_stack((y, x))", "1", (RandomTerm("", Grouping(("g",))),))
    made = design(formula, env={"np": np})
    assert made.y.shape == (6, 2)
    with pytest.raises(DataError, match="has 2 columns, not one: arithmetic"):
        check_linear_response(made)


@pytest.mark.parametrize("response", [SMALL["y"], [True, False] * 3, [1, 2, 3, 4, 5, 6]])
def test_responses_a_linear_model_can_have(response):
    made = design("y ~ 1 + (1 | g)", SMALL.assign(y=response))
    check_linear_response(made)
    assert made.y.tolist() == [float(value) for value in response]


def test_a_grouping_factor_needs_two_levels():
    made = design("y ~ 1 + (1 | g)", SMALL.assign(g="only"))
    with pytest.raises(DataError, match=r"'g' has a single level \('only'\)"):
        check_groupings(made)


@pytest.mark.parametrize("text", ["y ~ 1 + (1 | g)", "y ~ 1 + (1 | h:i)"])
def test_a_level_for_each_row_is_refused_where_it_cannot_be_estimated(text):
    pairs = list(itertools.product("ab", "cde"))
    data = SMALL.assign(g=range(6), h=[a for a, _ in pairs], i=[b for _, b in pairs])
    made = design(text, data)
    with pytest.raises(DataError, match=r"as many levels as there are rows \(6\).*residual"):
        check_groupings(made)
    check_groupings(made, allow_observation_level=True)


def test_as_many_random_effects_as_rows_are_no_error():
    # Two levels with three effects each: the residual variance is not identified, but
    # such a fit has a well-defined maximum and is published.
    made = design("y ~ 1 + f + (1 + f | g)")
    assert made.blocks[0].z.shape[1] * len(made.blocks[0].levels) == len(made.y)
    check_groupings(made)


def test_an_implied_intercept_by_hand():
    terms = (
        RandomTerm("", Grouping(("g",))),
        RandomTerm("f", Grouping(("g",)), Intercept.ELSEWHERE, correlated=False),
    )
    (block,) = design(MixedFormula("y", "1", terms)).blocks
    assert block.names == ("Intercept", "f[T.b]", "f[T.c]")
    np.testing.assert_array_equal(block.pattern, np.eye(3, dtype=bool))
