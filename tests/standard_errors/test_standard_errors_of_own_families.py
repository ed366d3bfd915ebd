"""Standard errors of families that statsmodels does not have."""

from __future__ import annotations

import numpy as np
import pytest
from family_cases import table
from numpy.testing import assert_allclose

import statsmodels_mixed as smm

DATA = table(240, 40, 3)
# glmmTMB 1.1.5, standard errors of the intercept and x for `DATA`.
GLMMTMB = {
    "nbinom1": ("counts", [0.11152789, 0.06885425]),
    "genpois": ("counts", [0.11326187, 0.06863412]),
    "beta": ("shares", [0.08158082, 0.06678453]),
}


@pytest.mark.parametrize("family", GLMMTMB)
def test_they_are_those_of_glmmtmb(family: str) -> None:
    response, wanted = GLMMTMB[family]
    fit = smm.mixedglm2(f"{response} ~ x + (1 | g)", DATA, family).fit()
    assert fit.cov_type == "hessian"
    assert_allclose(fit.bse, wanted, rtol=1e-5)
    given_dispersion = fit.with_inference(cov_type="conditional")
    assert np.all(given_dispersion.bse < fit.bse)
    assert_allclose(given_dispersion.with_inference().bse, fit.bse, rtol=1e-10)


def test_a_formula_of_a_constant_dispersion_changes_nothing() -> None:
    plain = smm.mixedglm2("positive ~ x + (1 | g)", DATA, "lognormal", link="log").fit()
    modelled = smm.mixedglm2(
        "positive ~ x + (1 | g)", DATA, "lognormal", link="log", dispersion="~ 1"
    ).fit()
    assert_allclose(plain.bse, modelled.bse.iloc[:2], rtol=1e-4)


def test_those_of_an_inverse_gaussian_are_from_all_parameters() -> None:
    """The spread of the slope of 400 simulated fits is .051; given theta its error is .045."""
    model = smm.mixedglm2("positive ~ x + (1 | g)", DATA, "inverse_gaussian", link="log")
    fit = model.fit()
    at = np.array([fit.theta[0], *fit.params, np.log(fit.dispersion)])

    def value(parameters: np.ndarray) -> float:
        theta, *beta, zeta = parameters
        return float(model.loglike([theta], np.array(beta), float(np.exp(zeta))))

    steps = 1e-3 * np.eye(4)
    differences = np.array(
        [
            [
                sum(i * j * value(at + i * one + j * two) for i in (1, -1) for j in (1, -1)) / 4e-6
                for one in steps
            ]
            for two in steps
        ]
    )
    wanted = np.sqrt(np.diag(np.linalg.inv(-differences)))[1:3]
    assert_allclose(fit.bse, wanted, rtol=1e-3)
    given_theta = fit.with_inference(cov_type="conditional")
    assert given_theta.bse["x"] < 0.94 * fit.bse["x"]


def test_other_families_of_statsmodels_and_fast_fits_stay_conditional() -> None:
    assert smm.mixedglm2("counts ~ x + (1 | g)", DATA, "poisson").fit().cov_type == "conditional"
    fast = smm.mixedglm2("counts ~ x + (1 | g)", DATA, "nbinom1").fit(fast=True)
    assert fast.cov_type == "conditional"
