"""Layouts of formulas are kept by kinds of columns: what a frame holds is found in each frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import patsy
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed.frame.matrices.engine import _layouts_of_columns, matrices_of_columns

GROUPS = np.repeat(np.arange(6), 6)
RNG = np.random.default_rng(3)


def frame(**columns: object) -> pd.DataFrame:
    base = {"y": RNG.normal(size=36), "x": RNG.normal(size=36), "g": GROUPS}
    return pd.DataFrame({**base, **columns})


def labels(*levels: object) -> pd.Series:
    return pd.Series([levels[i % len(levels)] for i in range(36)])


FRAMES = [
    frame(f=labels("a", "b", "c")),
    frame(f=labels("c", "b", "a")),
    frame(f=labels("a", "b")),
    frame(f=labels("u", "v", "w")),
    frame(f=pd.Categorical(labels("a", "b", "c"), categories=["c", "a", "b"])),
    frame(f=pd.Categorical(labels(0, 1))),
    frame(f=labels(False, True)),
    frame(f=pd.Categorical(labels(0.0, 1.0))),
    frame(f=RNG.normal(size=36)),
    frame(f=RNG.integers(0, 5, 36)),
    frame(f=labels("a", "b", "c"), x=labels("p", "q", "q", "p", "p")),
]
FORMULAS = ["1 + x * f", "0 + f", "f + x:f", "f:x", "1", "scale(x) + f", "C(f, Sum) + x"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_designs_are_those_of_patsy_in_any_order(formula):
    # Twice, in both orders: a kept layout must never answer for another frame.
    for data in [*FRAMES, *reversed(FRAMES)]:
        if formula.startswith("scale") and data["x"].dtype.kind != "f":
            continue
        expected = patsy.dmatrix(formula, data)
        model = smf.mixedlm2(f"y ~ {formula} + (1 | g)", data)
        assert list(model.data.xnames) == expected.design_info.column_names
        np.testing.assert_array_equal(model.exog, np.asarray(expected))


def test_equal_kinds_share_matrices_and_code_has_none():
    matrices_of_columns.cache_clear()
    for levels in ("ab", "ab", "ab", "abc"):
        # Objects are not for a plan, which remembers the matrices itself.
        smf.mixedlm2("y ~ x + f + (x | g)", frame(f=labels(*levels).astype(object)))
    kept = matrices_of_columns.cache_info()
    assert (kept.misses, kept.hits) == (2, 2)
    smf.mixedlm2("y ~ scale(x) + (1 | g)", frame())
    assert matrices_of_columns.cache_info().currsize == 2


def test_columns_of_truth_values_share_a_layout():
    _layouts_of_columns.cache_clear()
    for _ in range(2):
        smf.mixedlm2("y ~ f + (1 | g)", frame(f=RNG.random(36) > 0.5))
    kept = _layouts_of_columns.cache_info()
    assert (kept.misses, kept.hits) == (1, 1)


@pytest.mark.parametrize(
    "levels",
    [
        ("a", "b", "c"),
        (3, 1, 2),
        (np.int8(3), np.int8(1), np.int8(2)),
        (0.5, 1.5, -0.0),
        tuple(pd.to_datetime(["2020-01-02", "2020-01-01", "2021-05-05"])),
        tuple(pd.interval_range(0, 3)),
        ((1, 2), (0, 1), (1, 1)),
    ],
    ids=repr,
)
def test_categories_are_stored_as_those_of_the_data(levels):
    index = pd.Index(list(levels), tupleize_cols=False)
    for _ in range(2):
        codes = RNG.permutation(np.arange(36) % 3)
        data = frame(f=pd.Categorical.from_codes(codes, categories=index))
        model = smf.mixedlm2("y ~ 0 + f + (1 | g)", data)
        (factor,) = model.frame.fixed.factors
        pd.testing.assert_index_equal(factor.categories, index, exact=True)
        np.testing.assert_array_equal(model.exog, np.eye(3)[codes])


def test_columns_of_numbers_have_the_same_matrices_in_all_frames():
    first, second = (smf.mixedlm2("y ~ x + (x | g)", frame()) for _ in range(2))
    assert first.frame.fixed is second.frame.fixed
    whole = smf.mixedlm2("y ~ x + (x | g)", frame(x=np.arange(36)))
    assert whole.frame.fixed is first.frame.fixed
    text = smf.mixedlm2("y ~ x + (x | g)", frame(x=labels("a", "b")))
    assert text.exog.shape == (36, 2) and list(text.data.xnames) == ["Intercept", "x[T.b]"]
    centered = smf.mixedlm2("y ~ x + (x | g)", frame(x=labels(0, 1)), contrasts={"x": "sum"})
    assert list(centered.data.xnames) == ["Intercept", "x[S.0]"]


def test_zeros_of_both_signs_are_named_as_they_are():
    for zero in (0.0, -0.0, 0.0):
        data = frame(f=pd.Categorical(labels(zero, 1.0)))
        model = smf.mixedlm2("y ~ 0 + f + (1 | g)", data)
        assert model.data.xnames[0] == f"f[{zero}]"


def test_levels_that_look_the_same_are_refused_each_time():
    smf.mixedlm2("y ~ f + (1 | g)", frame(f=labels("0", "1")))
    for _ in range(2):
        with pytest.raises(ValueError, match="look the same"):
            smf.mixedlm2("y ~ f + (1 | g)", frame(f=labels("1", 1, "0").astype(object)))


def test_models_of_the_same_columns_have_indexes_of_their_own():
    data = frame().assign(y=lambda d: d["y"] + 3 * d["g"])
    first, second = (smf.mixedlm2("y ~ x + (1 | g)", data).fit() for _ in range(2))
    first.params.index.name = "mine"
    assert second.params.index.name is None
    assert smf.mixedlm2("y ~ x + (1 | g)", data).fit().params.index.name is None
    assert second.params.index.equals(pd.Index(["Intercept", "x"]))
