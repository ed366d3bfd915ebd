"""Combinations of coefficients that rank-deficient data do not determine."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from patsy import Sum, Treatment, dmatrix

from statsmodels_mixed import RankWarning
from statsmodels_mixed.fitting.fixed_effects.estimability import Estimability


def empty_cell() -> pd.DataFrame:
    """Two factors without one of their combinations, and a covariate written twice."""
    random = np.random.default_rng(1)
    data = pd.DataFrame(
        {
            "g": np.repeat(np.arange(12), 10),
            "a": random.choice(list("pqr"), 120),
            "b": random.choice(["u", "v"], 120),
        }
    )
    data["y"] = random.normal(size=12)[data["g"]] + random.normal(size=120) + (data["a"] == "q")
    data["c"] = random.poisson(np.exp(0.4 * data["y"]))
    data["x"] = random.normal(size=120)
    data["x2"] = 2 * data["x"] + 1
    return data[~((data["a"] == "r") & (data["b"] == "v"))].reset_index(drop=True)


NEW = pd.DataFrame({"a": ["r", "r", "p", None], "b": ["v", "u", "v", "u"], "g": 0})


@pytest.fixture(params=["patsy", "formulaic"])
def engine(request):
    options = statsmodels.formula.options
    before = options.formula_engine
    options.formula_engine = request.param
    yield request.param
    options.formula_engine = before


def fitted(formula: str, generalized: bool = False, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if generalized:
            model = smf.mixedglm2(formula, empty_cell(), family=sm.families.Poisson(), **options)
            return model.fit()
        return smf.mixedlm2(formula, empty_cell(), **options).fit(reml=True, dof="satterthwaite")


@pytest.mark.parametrize("generalized", [False, True])
@pytest.mark.parametrize("base", list("pqr"))
def test_an_empty_cell(generalized, base):
    left = "c" if generalized else "y"
    result = fitted(f"{left} ~ a * b + (1 | g)", generalized, contrasts={"a": Treatment(base)})
    other = fitted(f"{left} ~ 0 + a : b + (1 | g)", generalized)
    with pytest.warns(RankWarning, match="1 row of what") as caught:
        mean = result.predict(NEW)
    assert len(caught) == 1
    assert np.isnan(mean).tolist() == [True, False, False, True]
    with pytest.warns(RankWarning) as caught:
        frame = result.get_prediction(NEW).summary_frame()
    assert len(caught) == 1
    assert frame.iloc[0].isna().all() and frame.iloc[1:3].notna().all(axis=None)
    with pytest.warns(RankWarning):
        cells = other.get_prediction(NEW).summary_frame()
    assert_allclose(frame["mean"], cells["mean"], rtol=1e-4)
    assert_allclose(frame["mean_se"], cells["mean_se"], rtol=1e-4)
    with pytest.warns(RankWarning) as caught:
        drawn = result.simulate(3, seed=1, exog=NEW.head(3))
    assert len(caught) == 1
    assert np.isnan(drawn).tolist() == [[True] * 3, [False] * 3, [False] * 3]
    with pytest.warns(RankWarning):
        both = result.get_prediction(NEW.head(3), re=True).summary_frame()
    assert np.isnan(both["mean_se"]).tolist() == [True, False, False]
    own = result.get_prediction().summary_frame()
    assert own.notna().all(axis=None)


def test_both_engines(engine):
    result = fitted("y ~ a * b + (1 | g)")
    with pytest.warns(RankWarning):
        assert np.isnan(result.predict(NEW.head(3))).tolist() == [True, False, False]
    result.remove_data()
    with pytest.warns(RankWarning):
        assert np.isnan(result.predict(NEW.head(3))).tolist() == [True, False, False]


@pytest.mark.parametrize("formula", ["y ~ x + x2 + (1 | g)", "y ~ x2 + x + (1 | g)"])
def test_off_a_plane(formula):
    result = fitted(formula)
    alone = fitted("y ~ x + (1 | g)")
    new = pd.DataFrame({"x": [1.0, 1.0, 1e6], "x2": [3.0, 3.001, 2e6 + 1]})
    with pytest.warns(RankWarning):
        mean = result.predict(new)
    expected = alone.predict(new)
    assert_allclose(mean[[0, 2]], expected[[0, 2]])
    assert np.isnan(mean[1])
    X = np.column_stack([np.ones(3), new[["x", "x2"] if formula[4:6] == "x " else ["x2", "x"]]])
    with pytest.warns(RankWarning):
        assert np.isnan(result.predict(X, transform=False)).tolist() == [False, True, False]
    with pytest.warns(RankWarning):
        assert np.isnan(result.model.predict(result.params, X)).tolist() == [False, True, False]


def test_estimable_rows_are_those_in_the_row_space():
    data = empty_cell()
    random = np.random.default_rng(4)
    X = np.column_stack([np.asarray(dmatrix("a * b + x + x2", data)), 1e5 * data["x"] - 3e8])
    kept = [0, 1, 2, 3, 4, 6]
    found = Estimability.of(X, np.array(kept))
    assert sorted([*found.kept, *found.dropped]) == list(range(X.shape[1]))
    inside = random.normal(size=(20, len(X))) @ X
    outside = inside + random.normal(size=inside.shape) * np.abs(inside)
    assert found.holds(inside).all()
    assert not found.holds(outside).any()


def test_hypotheses_about_all_columns():
    result = fitted("y ~ a * b + (1 | g)")
    names = list(result.coefnames)
    lost = result.columns_dropped[0]
    L = np.zeros((3, len(names)))
    L[0, names.index(lost)] = 1.0  # not determined
    L[1, names.index("a[T.q]")] = 1.0
    L[2, [names.index("b[T.v]"), names.index("a[T.q]:b[T.v]")]] = 1.0
    with pytest.warns(RankWarning, match="1 hypothesis"):
        test = result.t_test(L)
    assert np.isnan(test.pvalue).tolist() == [True, False, False]
    assert np.isnan(test.effect).tolist() == [True, False, False]
    with pytest.warns(RankWarning, match=r"2 hypotheses .* do not determine these combinations"):
        result.t_test(L[[0, 0]])
    kept = [i for i in range(len(names)) if names[i] != lost]
    plain = result.t_test(L[1:, kept])
    assert_allclose(test.pvalue[1:], plain.pvalue)
    assert_allclose(test.conf_int()[1:], plain.conf_int())
    with pytest.warns(RankWarning):
        assert np.isnan(result.f_test(L).pvalue)
    assert_allclose(result.f_test(L[1:]).pvalue, result.f_test(L[1:, kept]).pvalue)
    with pytest.warns(RankWarning):
        assert np.isnan(result.t_test(f"{lost} = 0").pvalue)
    with pytest.warns(RankWarning):
        assert np.isnan(result.wald_test(L[:1], use_f=False).pvalue)


def test_power_of_hypotheses_about_all_columns():
    result = fitted("y ~ a * b + (1 | g)")
    names = list(result.coefnames)
    L = np.eye(len(names))
    lost = names.index(result.columns_dropped[0])
    asked = {"lost": L[lost], "kept": L[names.index("a[T.q]")]}
    with pytest.warns(RankWarning):
        found = result.power(10, hypotheses=asked, test="wald", seed=1)
    assert found.pvalues["lost"].isna().all()
    assert found.pvalues["kept"].notna().all()


# Pairs of levels.


def interacting() -> pd.DataFrame:
    random = np.random.default_rng(19)
    data = pd.DataFrame(
        {
            "site": np.repeat(np.arange(16), 10),
            "arm": np.tile(["ctl", "trt"], 80),
            "spp": np.tile(list("AABBC"), 32),
            "x": random.normal(size=160) + 3,
        }
    )
    data["dose"] = random.integers(1, 4, 160)
    mean = 0.2 * (data["arm"] == "trt") + 0.5 * (data["spp"] == "B") - 0.1 * data["x"]
    mean -= 0.9 * ((data["spp"] == "B") & (data["arm"] == "trt"))
    data["y"] = mean + random.normal(size=16)[data["site"]] + 0.3 * random.normal(size=160)
    return data


def cell_difference(result: Any, one: str, other: str, over: list[dict[str, Any]]) -> float:
    """Difference of predicted means, averaged over given values of all else."""
    first, second = (
        result.predict(pd.DataFrame([{"spp": level, **values} for values in over]))
        for level in (one, other)
    )
    return float(np.mean(first - second))


@pytest.mark.parametrize(
    "formula",
    ["y ~ spp * arm + x", "y ~ spp * x + arm", "y ~ spp * C(dose) * arm", "y ~ spp + arm + x",
     "y ~ spp * I(x ** 2)", "y ~ 0 + spp + spp:arm", "y ~ spp:arm + spp"],
)  # fmt: skip
def test_pairs_of_levels_are_averaged(formula, engine):
    data = interacting()
    if engine == "formulaic":
        formula = formula.replace("x ** 2", "x**2")
    over = [
        {"arm": arm, "dose": dose, "x": float(data["x"].mean())}
        for arm in ("ctl", "trt")
        for dose in (1, 2, 3)
    ]
    coded = [{}] if engine == "formulaic" else [{}, {"spp": Sum(), "arm": Sum()}]
    for contrasts in coded:
        used = {name: code for name, code in contrasts.items() if name in formula}
        result = smf.mixedlm2(f"{formula} + (1 | site)", data, contrasts=used or None).fit()
        table = result.t_test_pairwise("spp").result_frame
        assert list(table.index) == ["B-A", "C-A", "C-B"]
        for pair in table.index:
            one, other = pair.split("-")
            expected = cell_difference(result, one, other, over)
            assert_allclose(table.loc[pair, "coef"], expected, rtol=1e-8, atol=1e-10)


def test_pairs_with_an_empty_cell():
    result = fitted("y ~ a * b + (1 | g)")
    table = result.t_test_pairwise("a").result_frame
    assert table["coef"].isna().tolist() == [False, True, True]
    assert table.loc["q-p", "pvalue-hs"] == table.loc["q-p"].iloc[3]
