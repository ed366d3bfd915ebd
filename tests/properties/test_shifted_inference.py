"""What follows a fit with `(x | g)` is the same for x and for x shifted by 1e7 deviations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from test_shifted_covariates import data, moved

from statsmodels_mixed import OptionError, inference

SHIFTS = pytest.mark.parametrize("shift, unit", [(-40, 1), (3e3, 1), (1e5, 1e6), (1e7, 1e-3)])


def linear(frame: pd.DataFrame) -> Any:
    return smf.mixedlm2("y ~ x + (x | g)", frame).fit(reml=True)


def poisson(frame: pd.DataFrame) -> Any:
    return smf.mixedglm2("counts ~ x + (x | g)", frame, family="poisson").fit(cov_type="hessian")


@SHIFTS
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_degrees_of_freedom(seed: int, dof: str, shift: float, unit: float) -> None:
    frame = data(seed, amplitude=0.5)
    usual, other = (
        linear(each).with_inference(dof=dof) for each in (frame, moved(frame, shift, unit)[0])
    )
    assert_allclose(other.df_coef.iloc[1], usual.df_coef.iloc[1], rtol=1e-6)
    assert_allclose(other.pvalues.iloc[1], usual.pvalues.iloc[1], rtol=1e-5)
    assert_allclose(other.bse.iloc[1] * unit, usual.bse.iloc[1], rtol=1e-6)


@SHIFTS
def test_standard_error_of_a_standard_deviation(shift: float, unit: float) -> None:
    def error(fit: Any) -> float:
        (T,), sigma = fit.estimates.factors, fit.estimates.sigma
        length = np.hypot(*T[1])
        slope = np.array([0.0, sigma * T[1, 0] / length, sigma * T[1, 1] / length, length])
        return float(np.sqrt(slope @ inference.varpar_cov(fit).to_numpy() @ slope))

    frame = data(1)
    there = error(linear(moved(frame, shift, unit)[0]))
    assert_allclose(there * unit, error(linear(frame)), rtol=1e-6)


@SHIFTS
def test_standard_errors_from_the_hessian(shift: float, unit: float) -> None:
    frame = data(1)
    usual, other = poisson(frame), poisson(moved(frame, shift, unit)[0])
    assert_allclose(other.bse.iloc[1] * unit, usual.bse.iloc[1], rtol=1e-6)


@SHIFTS
@pytest.mark.parametrize("fit", [linear, poisson])
def test_profiles(fit: Any, shift: float, unit: float) -> None:
    frame = data(1)
    usual, other = (
        fit(each).profile(["beta", "theta", "sd"]).conf_int()
        for each in (frame, moved(frame, shift, unit)[0])
    )
    slope = [("beta", "x"), ("sd", "g.x")]
    assert_allclose(other.loc[slope] * unit, usual.loc[slope], rtol=1e-6, atol=1e-6)
    assert np.isfinite(other.to_numpy()).all()


def test_predictions_with_random_effects() -> None:
    # Errors were off by 1e-3, those of effects at x = 0 being differences of large numbers.
    frame = data(1)
    frame["x"] = np.round(frame["x"] * 2.0**10) / 2.0**10
    usual, other = (
        smf.mixedglm2("counts ~ x + (x | g)", each, family="poisson").fit()
        for each in (frame, frame.assign(x=frame["x"] + 2.0**23))
    )
    unseen = frame.head(3).assign(g=99)
    for rows in (frame.head(9), unseen):
        one, two = (
            fit.get_prediction(each, re=True, new_levels="population").se_mean
            for fit, each in ((usual, rows), (other, rows.assign(x=rows["x"] + 2.0**23)))
        )
        assert_allclose(two, one, rtol=3e-7)


@pytest.mark.parametrize("shift", [-40, 3e3])
def test_profile_of_a_correlation(shift: float) -> None:
    # The correlation of level and slope at x = 0 is another parameter of the shifted model; it
    # is the same when x is shifted there by way of another unit.
    one, other = (
        linear(moved(data(1), shift, unit)[0]).profile("corr").conf_int() for unit in (1.0, 1e4)
    )
    assert_allclose(one, other, rtol=1e-7)


# A covariate far from zero in an interaction: coefficients of the factor, at x = 0, are nearly
# combinations of those of the interaction.


def interacting() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    g, n = np.repeat(np.arange(9), 9), 81
    x = rng.normal(size=n) + 0.4 * rng.normal(size=9)[g]
    frame = pd.DataFrame({"g": g, "f": np.resize(list("abc"), n), "w": rng.uniform(0.5, 2, n)})
    frame["x"] = np.round(x * 2.0**20) / 2.0**20
    b = rng.normal(size=(9, 2))
    frame["y"] = b[g, 0] + (0.4 + 0.6 * b[g, 1]) * x + 0.5 * (frame["f"] == "b") * x
    frame["counts"] = rng.poisson(np.exp(frame["y"]))
    frame["y"] += rng.normal(size=n)
    frame["t"] = np.tile(np.arange(9), 9)
    return frame


INTERACTION = {
    "linear": lambda frame: smf.mixedlm2("y ~ x * f + (x | g)", frame, weights="w").fit(reml=True),
    "poisson": lambda frame: smf.mixedglm2(
        "counts ~ x * f + (1 | g)", frame, family="poisson"
    ).fit(),
    "residual": lambda frame: smf.mixedlm2(
        "y ~ x * f + (1 | g)", frame, residual="ar1(t | g)"
    ).fit(),
}


@pytest.mark.parametrize("kind", INTERACTION)
def test_joint_tests_with_an_interaction(kind: str) -> None:
    frame = interacting()
    usual, other = (
        INTERACTION[kind](each) for each in (frame, frame.assign(x=frame["x"] + 2.0**23))
    )
    # All but the intercept are zero, wherever zero is for x.
    rows = np.eye(6)[1:]
    joint = [fit.wald_test(rows, use_f=False).statistic for fit in (usual, other)]
    assert_allclose(*joint, rtol=1e-5)
    assert_allclose(other.vif().loc["x", "GVIF"], usual.vif().loc["x", "GVIF"], rtol=1e-5)
    slopes = [name for name in usual.fixefnames if "x" in name]
    tests = [inference.mundlak_test]
    tests += [inference.hausman_test] if kind != "poisson" else []
    for test in tests:
        one, two = test(usual, by="g"), test(other, by="g")
        assert_allclose(two.statistic, one.statistic, rtol=1e-5)
        assert_allclose(two.table.loc[slopes], one.table.loc[slopes], rtol=1e-4, atol=1e-6)


def test_hausman_of_covariates_that_agree_within_groups() -> None:
    frame = interacting()
    frame["z"] = frame["x"] + np.linspace(-1, 1, 9)[frame["g"]] ** 2
    fit = smf.mixedlm2("y ~ x + z + (1 | g)", frame).fit()
    with pytest.raises(OptionError, match="depend on one another within the levels of g"):
        inference.hausman_test(fit)
