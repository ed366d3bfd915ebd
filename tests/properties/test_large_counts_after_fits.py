"""Counts and trials of 1e9 say the same in two forms, to 1e-6, in every function after a fit.

Counts are rates with prior weights, failures are successes with the other sign, negative binomial
counts without end are gamma, and a meta-analysis has no units.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_mixed import DataError, mixedglm2
from statsmodels_mixed.meta_analysis import meta

UNIT = 2.0**30
RNG = np.random.default_rng(8)
G = np.repeat(np.arange(12), 10)
BASE = pd.DataFrame({"g": G, "x": RNG.normal(size=120), "f": RNG.choice(list("abc"), 120)})
ETA = 0.3 * BASE["x"] + 0.4 * (BASE["f"] == "b") + 0.5 * RNG.normal(size=12)[G]


def _rest(table: Any) -> np.ndarray:
    """Numbers of a table without those of the intercept."""
    frame = pd.DataFrame(table)
    frame = frame[["Intercept" not in str(each) for each in frame.index]]
    return frame.select_dtypes("number").to_numpy(float)


def said(fit: Any, data: pd.DataFrame) -> dict[str, np.ndarray]:
    """What has no unit of the response."""
    cluster = fit.with_inference(cov_type="cluster", cov_kwds={"groups": "g"})
    contrasts = fit.emmeans("f").contrasts().to_frame()
    influence = fit.influence("g")
    return {
        "coeftable": _rest(fit.coeftable()),
        "cluster": _rest(cluster.coeftable()),
        "hessian": _rest(fit.with_inference(cov_type="hessian").coeftable()),
        "anova": _rest(fit.anova(typ=3)),
        "drop1": fit.drop1().iloc[1:][["statistic", "pvalue"]].to_numpy(float),
        "ranova": fit.ranova().iloc[1:][["statistic", "pvalue_boundary"]].to_numpy(float),
        "contrasts": contrasts[["estimate", "std_error", "statistic", "pvalue"]].to_numpy(),
        "emtrends": _rest(fit.emtrends("f", "x").to_frame()[["estimate", "std_error"]]),
        "joint_tests": _rest(fit.joint_tests()),
        "bse": np.asarray(fit.bse),
        "theta": np.abs(fit.theta),
        "ranef": np.concatenate([np.ravel(v) for v in fit.ranef().values()]),
        "condvar": np.concatenate([np.ravel(v) for v in fit.condvar().values()]),
        "leverage": np.asarray(fit.leverage()),
        "cooks_distance": np.asarray(fit.cooks_distance()),
        "pearson": np.asarray(fit.residuals("pearson")),
        "deviance": np.asarray(fit.residuals("deviance")),
        "influence": _rest(influence.summary_frame()),
        "vif": _rest(fit.vif()),
        "icc": np.array([fit.icc().adjusted, fit.icc().unadjusted]),
        "r2": np.array([fit.r2().marginal, fit.r2().conditional]),
        "profile": _rest(fit.profile(["beta", "sd"]).conf_int().drop(index="Intercept", level=1)),
    }


def assert_same(got: dict[str, Any], wanted: dict[str, Any], odd: tuple[str, ...] = ()) -> None:
    """What is odd changes its sign with that of the linear predictor."""
    for name, value in wanted.items():
        there = np.asarray(got[name], float)
        value = np.asarray(value, float)
        if name in odd:
            there, value = np.abs(there), np.abs(value)
        assert np.isfinite(value).any(), name
        size = np.nanmax(np.abs(np.where(np.isfinite(value), value, 0.0)))
        np.testing.assert_allclose(there, value, rtol=1e-6, atol=1e-6 * size, err_msg=name)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")  # rates are no counts
def test_counts_are_rates_with_weights():
    data = BASE.assign(y=RNG.poisson(UNIT * np.exp(ETA)).astype(float), w=UNIT)
    data["rate"] = data["y"] / UNIT
    family = sm.families.Poisson()
    one = mixedglm2("y ~ x + f + (1 | g)", data, family=family).fit()
    other = mixedglm2("rate ~ x + f + (1 | g)", data, family=family, weights="w").fit()
    # Variances explained are those of a row, and a weight is a number of rows.
    wanted, got = ({k: v for k, v in said(fit, data).items() if k not in ("icc", "r2")}
                   for fit in (one, other))  # fmt: skip
    assert_same(got, wanted)
    frames = [fit.get_prediction(data.head(9), re=True).summary_frame() for fit in (one, other)]
    np.testing.assert_allclose(frames[1] * UNIT, frames[0], rtol=1e-6)
    np.testing.assert_allclose(other.predict(data) * UNIT, one.predict(data), rtol=1e-6)


@pytest.mark.parametrize("how", [{}, {"fast": True}], ids=str)
def test_covariance_of_coefficients_by_longer_numbers(how):
    """X'V^-1 X is a small difference of large sums: for one factor in 80 bits instead of 64."""
    data = BASE.assign(y=RNG.poisson(1e9 * np.exp(ETA)).astype(float))
    fit = mixedglm2("y ~ x + f + (1 | g)", data, family=sm.families.Poisson()).fit(**how)
    X, mu = (np.asarray(each, np.longdouble) for each in (fit.model.exog, fit.fittedvalues))
    variance, wanted = np.longdouble(fit.theta[0]) ** 2, np.zeros((4, 4), np.longdouble)
    for level in range(12):
        rows = level == G
        s = mu[rows] @ X[rows]
        wanted += (X[rows].T * mu[rows]) @ X[rows]
        wanted -= np.outer(s, s) * variance / (1 + variance * mu[rows].sum())
    covariance = np.linalg.inv(wanted.astype(float))
    np.testing.assert_allclose(fit.cov_params(), covariance, rtol=1e-7)


def test_failures_for_successes():
    trials = 10**9
    hits = RNG.binomial(trials, 1 / (1 + np.exp(-ETA)))
    data = BASE.assign(hits=hits, misses=trials - hits)
    family = sm.families.Binomial()
    one = mixedglm2("hits + misses ~ x + f + (1 | g)", data, family=family).fit()
    other = mixedglm2("misses + hits ~ x + f + (1 | g)", data, family=family).fit()
    wanted, got = said(one, data), said(other, data)
    swapped = ("coeftable", "cluster", "hessian", "contrasts", "emtrends", "ranef", "pearson",
               "deviance", "influence")  # fmt: skip
    limits = [wanted.pop("profile"), got.pop("profile")]
    for name in ("coeftable", "cluster", "hessian"):  # limits change places
        wanted[name], got[name] = wanted[name][:, :4], got[name][:, :4]
    assert np.all(np.isfinite(limits[0]))
    assert_same(got, wanted, swapped)
    means = [np.asarray(fit.predict(data)) for fit in (one, other)]
    np.testing.assert_allclose(means[1], 1 - means[0], rtol=1e-6)


def test_negative_binomial_without_end_is_gamma():
    y = np.round(1e9 * np.exp(ETA) * RNG.gamma(3, 1 / 3, 120))
    data = BASE.assign(y=y, g=G)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # statsmodels: alpha has a default
        counts = sm.families.NegativeBinomial()
    one = mixedglm2("y ~ x + f + (1 | g)", data, family=counts).fit()
    gamma = sm.families.Gamma(sm.families.links.Log())
    other = mixedglm2("y ~ x + f + (1 | g)", data, family=gamma).fit()
    names = ("coeftable", "cluster", "anova", "drop1", "contrasts", "theta", "ranef")
    wanted, got = said(one, data), said(other, data)
    assert_same({n: got[n] for n in names}, {n: wanted[n] for n in names})


@pytest.mark.parametrize("change", ["1e138", "1e70", "1e-70", "1e-138", "shift"])
def test_meta_analysis_has_no_units(change):
    """Degrees of freedom have fourth powers of the units, of 1e138 beyond the range."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"study": np.repeat(np.arange(8), 3), "x": rng.normal(size=24)})
    y = 0.3 * data["x"] + 0.5 * rng.normal(size=8)[data["study"]] + 0.4 * rng.normal(size=24)
    y, v = np.round(y * 2.0**20) / 2.0**20, rng.uniform(0.05, 0.3, 24)
    unit, shift = (1.0, 2.0**28) if change == "shift" else (float(change), 0.0)
    formula = "~ x + (1 | study)"
    one = meta(y, v, formula, data)
    other = meta(unit * y + shift, v * unit**2, formula, data)
    blocks = [np.full((3, 3), 0.02) + 0.1 * np.eye(3)] * 8
    dependent = [meta(unit * y + shift, None, formula, data, V=[b * unit**2 for b in blocks]),
                 meta(y, None, formula, data, V=blocks)]  # fmt: skip
    for got, wanted in ((other, one), dependent):
        assert got.fit.converged
        np.testing.assert_allclose(got.params["x"] / unit, wanted.params["x"], rtol=1e-6)
        np.testing.assert_allclose(got.bse / unit, wanted.bse, rtol=1e-6)
        np.testing.assert_allclose(got.tau2 / unit**2, wanted.tau2, rtol=1e-6)
        for name in ("Q", "Q_pvalue", "I2", "QM"):
            np.testing.assert_allclose(getattr(got, name), getattr(wanted, name), rtol=1e-6)
        interval, there = (
            wanted.prediction_interval(data.head(3)),
            got.prediction_interval(data.head(3)),
        )
        np.testing.assert_allclose(there["se"] / unit, interval["se"], rtol=1e-6)
        for table in ("knapp_hartung", "robust"):
            args = ("study",) if table == "robust" else ()
            first, second = getattr(wanted, table)(*args), getattr(got, table)(*args)
            np.testing.assert_allclose(second["se"] / unit, first["se"], rtol=1e-6)
            np.testing.assert_allclose(second.loc["x", ["t", "df", "pvalue"]].astype(float),
                                       first.loc["x", ["t", "df", "pvalue"]].astype(float),
                                       rtol=1e-6)  # fmt: skip
        assert str(got.summary())


@pytest.mark.parametrize(
    "given, unit, word",
    [("variance", 1e-156, "multiply"), ("variance", 1.5e152, "divide"),
     ("V", 1e-150, "multiply"), ("V", 1.5e152, "divide")],
)  # fmt: skip
def test_sampling_variances_beyond_the_range(given, unit, word):
    estimates, variances = unit * np.array([0.1, 0.5, 0.3]), unit**2 * np.array([0.5, 0.5, 4000.0])
    how = {"V": np.diag(variances)} if given == "V" else {given: variances}
    with pytest.raises(DataError, match=f"sampling variances of {given}= .* {word} the estimates"):
        meta(estimates, **how)
