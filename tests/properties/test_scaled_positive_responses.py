"""Units of a response of a generalized model, a googol apart, matter to nothing that is said.

Coefficients of the log link are shifted in the intercept alone; those of powers have units. Numbers
are compared after division by the unit that the table of the function says.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_mixed import mixedglm2

LINKS = sm.families.links
RNG = np.random.default_rng(8)
G = np.repeat(np.arange(12), 10)
DATA = pd.DataFrame({"g": G, "x": RNG.normal(size=120), "f": RNG.choice(list("abc"), 120)})
ETA = 0.3 * DATA["x"] + 0.4 * (DATA["f"] == "b") + 0.5 * RNG.normal(size=12)[G]
SMALL = 2.0 + 0.3 * np.clip(ETA, -2, 2)
# Family, response, and the power of the unit that coefficients have.
MODELS = {
    "gamma log": (sm.families.Gamma(LINKS.Log()), np.exp(ETA) * RNG.gamma(3, 1 / 3, 120), 0),
    "gamma identity": (sm.families.Gamma(LINKS.Identity()), SMALL * RNG.gamma(30, 1 / 30, 120), 1),
    "gamma inverse": (sm.families.Gamma(LINKS.InversePower()),
                      RNG.gamma(30, 1 / 30, 120) / SMALL, -1),
    "inverse gaussian log": (sm.families.InverseGaussian(LINKS.Log()),
                             RNG.wald(np.exp(ETA), 5.0), 0),
    "gaussian log": (sm.families.Gaussian(LINKS.Log()),
                     np.exp(ETA) + 0.2 * RNG.normal(size=120), 0),
    "gaussian": (sm.families.Gaussian(), ETA + 0.2 * RNG.normal(size=120), 1),
}  # fmt: skip


def _rest(table: Any) -> np.ndarray:
    frame = pd.DataFrame(table)
    frame = frame[["Intercept" not in str(each) for each in frame.index]]
    return frame.select_dtypes("number").to_numpy(float)


def said(fit: Any, unit: float, power: int) -> Iterator[tuple[str, np.ndarray]]:
    """What a fit says, in the units of the response as it was."""
    c = unit**power
    cluster = fit.with_inference(cov_type="cluster", cov_kwds={"groups": "g"})
    hessian = fit.with_inference(cov_type="hessian")
    for name, other in (("model", fit), ("cluster", cluster), ("hessian", hessian)):
        table = _rest(other.coeftable())
        yield f"{name} estimates", table[:, :2] / c
        yield f"{name} statistics", table[:, 2:4]
    yield "anova", _rest(fit.anova(typ=3))
    for name in ("drop1", "ranova"):
        table = getattr(fit, name)().iloc[1:]
        yield name, table[["statistic", "pvalue"]].to_numpy(float)
    contrasts = fit.emmeans("f").contrasts().to_frame()
    yield "contrasts", contrasts[["estimate", "std_error"]].to_numpy() / c
    yield "tests of contrasts", contrasts[["statistic", "pvalue"]].to_numpy()
    means = fit.emmeans("f", type="response").to_frame()
    yield "emmeans", means[["estimate", "std_error"]].to_numpy() / unit
    yield "theta", np.abs(fit.theta) / c
    yield "leverage", np.asarray(fit.leverage())
    yield "cooks_distance", np.asarray(fit.cooks_distance())
    yield "influence", _rest(fit.influence("g").summary_frame())
    yield "response residuals", np.asarray(fit.residuals("response")) / unit
    yield "working residuals", np.asarray(fit.residuals("working")) / c
    prediction = fit.get_prediction(DATA.head(9), re=True).summary_frame()
    yield "prediction", prediction.to_numpy() / unit
    profile = fit.profile(["beta", "sd"]).conf_int().drop(index="Intercept", level=1)
    yield "profile", _rest(profile) / c
    yield "simulate", np.asarray(fit.simulate(2, seed=1)) / unit
    bootstrap = fit.bootstrap(3, seed=1).conf_int()
    yield "bootstrap", _rest(bootstrap.xs("beta", level=0))[:, :3] / c
    yield "simulated residuals", np.array([fit.simulated_residuals(20, seed=1).uniformity().pvalue])
    yield "vif", _rest(fit.vif())
    report = str(fit.summary()) + str(fit.check()) + str(fit.report) + str(fit.glance())
    yield "nan in words", np.array([report.count("nan")])


@pytest.mark.parametrize("unit", [1e-100, 1e100])
@pytest.mark.parametrize("name", MODELS)
def test_units_of_a_response(name, unit):
    family, y, power = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        one, other = (
            mixedglm2("y ~ x + f + (1 | g)", DATA.assign(y=c * y), family=family).fit()
            for c in (1.0, unit)
        )
        wanted, got = dict(said(one, 1.0, power)), dict(said(other, unit, power))
    assert one.converged and other.converged
    assert abs(other.report.evaluations - one.report.evaluations) <= 1
    for key, value in wanted.items():
        size = np.max(np.abs(value), initial=0.0, where=np.isfinite(value))
        np.testing.assert_allclose(got[key], value, rtol=1e-6, atol=1e-6 * size, err_msg=key)
