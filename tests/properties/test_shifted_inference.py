"""What follows a fit with `(x | g)` is the same for x and for x shifted by 1e7 deviations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from test_shifted_covariates import data, moved

from statsmodels_mixed import inference

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


@pytest.mark.parametrize("shift", [-40, 3e3])
def test_profile_of_a_correlation(shift: float) -> None:
    # The correlation of level and slope at x = 0 is another parameter of the shifted model; it
    # is the same when x is shifted there by way of another unit.
    one, other = (
        linear(moved(data(1), shift, unit)[0]).profile("corr").conf_int() for unit in (1.0, 1e4)
    )
    assert_allclose(one, other, rtol=1e-7)
