"""Pandas objects beside one another are joined by their labels, wherever they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import LinearMixedModel, inference
from statsmodels_mixed.errors import DataError

RNG = np.random.default_rng(0)
N = 60
DATA = pd.DataFrame(
    {"x": RNG.normal(size=N), "g": np.arange(N) % 6, "w": RNG.uniform(0.5, 2, N)},
    index=[f"r{i}" for i in range(N)],
)
DATA["y"] = DATA.x + RNG.normal(size=6)[DATA.g] + RNG.normal(size=N)
FORMULA = "y ~ x + (1 | g)"


def shuffled(values: Any) -> Any:
    return values.sample(frac=1, random_state=1)


def llf(formula: str = FORMULA, data: Any = DATA, **options: Any) -> float:
    return float(smf.mixedlm2(formula, data, **options).fit().llf)


PLAIN = llf()
WEIGHTED = llf(weights="w")
OFFSET = llf(offset="w")


def arrays(**changed: Any) -> float:
    given = {"endog": DATA.y, "exog": DATA[["x"]].assign(one=1.0), "groups": DATA.g} | changed
    return float(LinearMixedModel(**given).fit().llf)


@pytest.mark.parametrize(
    ("expected", "call"),
    [
        (PLAIN, lambda s: llf(data={"y": DATA.y, "x": s(DATA.x), "g": DATA.g})),
        (PLAIN, lambda s: llf(data={"y": DATA.y, "x": DATA.x, "g": s(DATA.g)})),
        (WEIGHTED, lambda s: llf(weights=s(DATA.w))),
        (OFFSET, lambda s: llf(offset=s(DATA.w))),
        (PLAIN, lambda s: llf("y ~ x", groups=s(DATA.g))),
        (PLAIN, lambda s: arrays(endog=s(DATA.y))),
        (PLAIN, lambda s: arrays(exog=s(DATA[["x"]].assign(one=1.0)))),
        (PLAIN, lambda s: arrays(groups=s(DATA.g))),
        (PLAIN, lambda s: arrays(groups={"g": s(DATA.g)})),
        (PLAIN, lambda s: arrays(exog_re=s(pd.Series(1.0, index=DATA.index)))),
        (WEIGHTED, lambda s: arrays(weights=s(DATA.w))),
        (OFFSET, lambda s: arrays(offset=s(DATA.w))),
    ],
)
def test_another_order_of_the_same_labels_is_the_same_model(expected, call):
    assert_allclose(call(shuffled), expected, rtol=1e-10)
    with pytest.raises(DataError, match="lacks labels"):
        call(lambda values: values.rename(lambda label: f"{label}x"))
    with pytest.raises(DataError, match=r"values for|differ in length"):
        call(lambda values: values.iloc[1:])


def test_labels_that_occur_twice_are_matched_only_in_the_same_order():
    twice = DATA.set_index(np.arange(N) // 2)
    assert_allclose(llf(data=twice, weights=twice.w), WEIGHTED)
    with pytest.raises(DataError, match="occur twice"):
        llf(data=twice, weights=twice.w[::-1])


def test_a_mask_in_another_order():
    mask = DATA.x > 0
    assert_allclose(llf(subset=shuffled(mask)), llf(data=DATA[mask]), rtol=1e-10)


def test_new_rows_and_rows_of_the_fit():
    result = smf.mixedlm2(FORMULA, DATA, offset="w").fit()
    new = DATA.iloc[:7]
    expected = result.predict(new)
    assert_allclose(result.predict(new, offset=new.w[::-1]), expected)
    mean = result.get_prediction(new, offset=new.w[::-1]).summary_frame()["mean"]
    assert_allclose(mean, expected)
    drawn = [result.simulate(exog=new, offset=w, seed=1) for w in (new.w, new.w[::-1])]
    assert_allclose(*drawn)
    with pytest.raises(DataError, match="lacks labels"):
        result.predict(new, offset=DATA.w.iloc[7:14])
    exog = pd.DataFrame(result.model.exog, index=DATA.index)[:7]
    again = result.model.predict(result.params, exog, offset=new.w[::-1])
    assert_allclose(again, expected)
    kwds = [{"groups": DATA.g}, {"groups": shuffled(DATA.g)}]
    errors = [result.with_inference(cov_type="cluster", cov_kwds=each).bse for each in kwds]
    assert_allclose(*errors)
    assert_allclose(result.refit(shuffled(DATA.y)).params, result.params, rtol=1e-6)
    by = [result.influence(labels).params for labels in (DATA.g, shuffled(DATA.g))]
    assert_allclose(*by)


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_variables_beside_the_columns(engine, monkeypatch):
    """Code may name Series that are no columns; patsy and statsmodels refuse another order."""
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", engine)
    env = {f"other_{name}": shuffled(DATA[name]) for name in ("x", "g", "y")} | {"np": np}
    expected = llf("y ~ np.exp(x) + C(g % 2) + (1 | g)")
    found = llf("other_y ~ np.exp(other_x) + C(other_g % 2) + (1 | g)", eval_env=env)
    assert_allclose(found, expected, rtol=1e-10)
    renamed = {"renamed": DATA.x.rename(lambda label: f"{label}x")}
    for code in ("renamed", "C(renamed > 0)"):
        with pytest.raises(DataError, match="lacks labels"):
            llf(f"y ~ {code} + (1 | g)", eval_env=renamed)


# Coefficients and covariance parameters by name.


SLOPES = DATA.assign(y=DATA.y + DATA.x * np.linspace(-2, 2, 6)[DATA.g])
FIT = smf.mixedlm2("y ~ x + w + (x | g)", SLOPES).fit(reml=True)
ROWS = pd.DataFrame([[0, 1.0, 0], [0, 0.5, -1]], columns=["Intercept", "x", "w"])
COEFFICIENTS = pd.Series([1.0, 2.0, -3.0], index=ROWS.columns)
MATRIX = pd.DataFrame(FIT.model.exog, columns=ROWS.columns, index=DATA.index)


def reversed_names(values: Any) -> Any:
    return values[values.index[::-1]] if values.ndim == 1 else values[values.columns[::-1]]


@pytest.mark.parametrize(
    ("values", "call"),
    [
        (ROWS, lambda v: FIT.t_test(v).pvalue),
        (ROWS, lambda v: FIT.t_test((v, [0.1, 0.2])).pvalue),
        (ROWS, lambda v: FIT.f_test(v).pvalue),
        (ROWS, lambda v: FIT.wald_test(v, use_f=False).statistic),
        (ROWS, lambda v: FIT.cov_params(v)),
        (ROWS, lambda v: FIT.cov_params(ROWS, other=v)),
        (ROWS.iloc[0], lambda v: FIT.t_test(v).effect),
        (ROWS, lambda v: inference.f_test(FIT, v).pvalue),
        (ROWS, lambda v: FIT.power(2, hypotheses={"two": v}, seed=1).pvalues),
        (FIT.cov_params(), lambda v: FIT.t_test(ROWS, cov_p=v).pvalue),
        (FIT.cov_params(), lambda v: FIT.t_test(ROWS, cov_p=v.T).pvalue),
        (COEFFICIENTS, lambda v: FIT.model.predict(v)),
        (MATRIX, lambda v: FIT.model.predict(COEFFICIENTS, v)),
        (MATRIX, lambda v: FIT.predict(v, transform=False)),
        (MATRIX.iloc[0], lambda v: FIT.predict(v, transform=False)),
        (
            pd.Series([1.0, 0.3, 0.5], index=FIT.model.theta_names),
            lambda v: FIT.model.objective(v),
        ),
        (COEFFICIENTS, lambda v: FIT.model.fit(start_params=v).llf),
        (
            pd.Series([1.0, 0.3, 0.5], index=FIT.model.theta_names),
            lambda v: FIT.model.fit(start=v).report.start,
        ),
    ],
)
def test_names_in_another_order_are_the_same_values(values, call):
    assert_allclose(call(reversed_names(values)), call(values), rtol=1e-10)
    assert_allclose(call(values.to_numpy()), call(values), rtol=1e-10)
    other = values.set_axis(["a", "b", "c"], axis=values.ndim - 1)
    with pytest.raises(DataError, match="has the name 'a', which is not one of"):
        call(other)


def test_numbers_are_no_names():
    numbered = ROWS.set_axis([2, 1, 0], axis=1)
    assert_allclose(FIT.t_test(numbered).pvalue, FIT.t_test(ROWS.to_numpy()).pvalue)


def test_contrasts_of_means_by_name():
    data = DATA.assign(a=np.resize(list("pqr"), N))
    means = smf.mixedlm2("y ~ a + (1 | g)", data).fit().emmeans("a")
    rows = pd.DataFrame([[1.0, -1, 0], [0.5, 0.5, -1]], columns=list("pqr"))
    expected = rows.to_numpy() @ means.estimate
    assert_allclose(means.contrasts(rows[["r", "p", "q"]]).estimate, expected)
    named = {"one": rows.loc[0, ["q", "r", "p"]], "two": rows.loc[1, ["r", "q", "p"]]}
    assert_allclose(means.contrasts(named).estimate, expected)
    with pytest.raises(DataError, match="has the name 's'"):
        means.contrasts(rows.rename(columns={"p": "s"}))
