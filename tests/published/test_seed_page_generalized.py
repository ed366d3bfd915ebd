"""The page "Model constructors" of MixedModels.jl v4.31: what its generalized fits print.

The page's fit of verbagg stops 2.6e-6 above the optimum, which leaves each estimate uncertain
by 0.0016 of its standard error, as the test of its objective shows. So estimates are compared
to that, and where the page prints fewer digits than that, to the digits it prints.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from reference.model_constructors import assert_printed, half_unit, patsy_name
from statsmodels.genmod.families import Binomial

from statsmodels_mixed import datasets

VERBAGG = "r2 ~ 1 + anger + gender + btype + situ + mode + (1|subj) + (1|item)"
CONTRA = "use ~ 1 + age + I(age**2) + livch + urban + (1|dist)"

# As printed for `gm1`.
CRITERIA = {
    "logLik": "-4067.9164",
    "deviance": "8135.8329",
    "AIC": "8153.8329",
    "AICc": "8153.8566",
    "BIC": "8216.2370",
}
COMPONENTS = {"subj": ("1.793488", "1.339212"), "item": ("0.117149", "0.342271")}
COEFFICIENTS = """
(Intercept)   -0.152977    0.385222    -0.40    0.6913
anger          0.0573961   0.0167528    3.43    0.0006
gender: M      0.320783    0.191207     1.68    0.0934
btype: scold  -1.05988     0.184159    -5.76    <1e-08
btype: shout  -2.10389     0.186517   -11.28    <1e-28
situ: self    -1.05438     0.151194    -6.97    <1e-11
mode: want     0.706981    0.151007     4.68    <1e-05
"""
BETA = [
    -0.15297658506693748,
    0.05739606276708647,
    0.3207830298410298,
    -1.059879787138412,
    -2.103893961040908,
    -1.054376691878555,
    0.706980989641357,
]
STANDARD_ERRORS = [
    0.38522187715517414,
    0.016752777502287746,
    0.19120720019964096,
    0.1841585773287559,
    0.18651728135544754,
    0.15119425239025674,
    0.15100718227007012,
]
# Columns 4 and 5 are not shown.
COVARIANCE = """
 0.148396    -0.00561488   -0.00982342   -0.0112072    -0.011347
-0.00561488   0.000280656   7.19122e-5   -1.47964e-5    1.0241e-5
-0.00982342   7.19122e-5    0.0365602    -8.04427e-5    5.25878e-5
-0.0167988   -1.43709e-5   -9.25629e-5    0.000265802  -0.000172097
-0.0166229   -2.90553e-5   -0.000162391   0.000658966  -0.000520523
-0.0112072   -1.47964e-5   -8.04427e-5    0.0228597    -0.000247782
-0.011347     1.0241e-5     5.25878e-5   -0.000247782   0.0228032
"""
SHOWN = [0, 1, 2, 5, 6]
LOGLIKELIHOOD = -4067.9164291743905
DEVIANCE = 8135.832858348763
FAST_MINUS_DEFAULT = 0.33801335722546355

# The root of how far the page's objective is above the optimum bounds the distance of each
# estimate from the optimum, in its standard errors. Standard errors change with theta, which
# the page has to 9e-6.
PAGE_EXCESS = 2.7e-6
PAGE_ERRORS = 1e-5


@cache
def fit(name: str, **how: Any) -> Any:
    formula = {"verbagg": VERBAGG, "contra": CONTRA}[name]
    return smf.mixedglm2(formula, datasets.load(name), Binomial()).fit(**how)


def rows() -> list[list[str]]:
    """Name and four numbers of each coefficient."""
    return [line.rsplit(maxsplit=4) for line in COEFFICIENTS.strip().splitlines()]


def in_page_order() -> list[str]:
    return [patsy_name(row[0].strip()) for row in rows()]


def last_unit(printed: str) -> float:
    """Half a unit of the last digit, of a number that may have an exponent."""
    digits, _, exponent = printed.partition("e")
    return half_unit(digits) * 10.0 ** int(exponent or 0)


def test_objective_at_the_parameters_of_the_page():
    """Which shows that the page has the same objective, and stopped above its minimum."""
    result = fit("verbagg")
    theta = [float(COMPONENTS[name][1]) for name in ("subj", "item")]
    beta = dict(zip(in_page_order(), BETA, strict=True))
    value = result.model.objective(theta, [beta[name] for name in result.params.index])
    assert_allclose(value, DEVIANCE, rtol=0, atol=1e-8)
    assert_allclose(-value / 2, LOGLIKELIHOOD, rtol=0, atol=1e-8)
    assert 0 < value - result.objective < PAGE_EXCESS


@pytest.mark.parametrize("label", CRITERIA)
def test_criteria(label):
    result = fit("verbagg")
    ours = {
        "logLik": result.llf,
        "deviance": result.deviance,
        "AIC": result.aic,
        "AICc": result.aicc,
        "BIC": result.bic,
    }
    assert_printed(ours[label], CRITERIA[label])
    assert f"{ours[label]:.4f}" == CRITERIA[label]
    assert f" {CRITERIA[label]}" in str(result.summary())


def test_minus_two_loglikelihood_is_the_deviance_of_single_trials():
    result = fit("verbagg")
    assert_allclose(result.deviance, result.objective, rtol=1e-12)
    assert_allclose(result.llf, LOGLIKELIHOOD, rtol=0, atol=PAGE_EXCESS)
    assert result.llf >= LOGLIKELIHOOD


def test_sizes():
    result = fit("verbagg")
    assert result.nobs == 7584
    assert {name: len(table) for name, table in result.ranef().items()} == {"subj": 316, "item": 24}
    assert result.dof == 9


@pytest.mark.parametrize("name", COMPONENTS)
def test_variance_components(name):
    deviation = float(fit("verbagg").varcorr.std_dev(name).iloc[0])
    variance, printed = COMPONENTS[name]
    assert_printed(deviation, printed, PAGE_ERRORS)
    assert_printed(deviation**2, variance, 2 * PAGE_ERRORS)


def test_names_of_coefficients():
    assert sorted(fit("verbagg").coefnames) == sorted(in_page_order())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].strip())
def test_coefficients(row):
    name, coefficient, error, z, p = row
    ours = fit("verbagg").coeftable().loc[patsy_name(name.strip())]
    allowed = np.sqrt(PAGE_EXCESS)
    assert abs(ours["Coef."] - float(coefficient)) <= allowed * float(error)
    assert_printed(ours["Std. Error"], error, PAGE_ERRORS)
    assert abs(ours["z"] - float(z)) <= half_unit(z) + allowed
    if p.startswith("<"):
        bound = float(p[1:])
        assert bound / 10 <= ours["Pr(>|z|)"] < bound
    else:
        density = np.exp(-(ours["z"] ** 2) / 2) / np.sqrt(2 * np.pi)
        assert abs(ours["Pr(>|z|)"] - float(p)) <= half_unit(p) + 2 * density * allowed


def test_coefficients_to_all_digits():
    result = fit("verbagg")
    difference = (result.params[in_page_order()] - BETA) / STANDARD_ERRORS
    assert_allclose(difference, 0, atol=np.sqrt(PAGE_EXCESS))
    # Together, in the metric of the Hessian: the excess is the square of the distance.
    covariance = fit("verbagg", cov_type="hessian").cov_params()
    covariance = covariance.loc[in_page_order(), in_page_order()]
    step = result.params[in_page_order()] - BETA
    assert step @ np.linalg.solve(covariance, step) <= PAGE_EXCESS


def test_standard_errors_to_all_digits():
    result = fit("verbagg")
    assert_allclose(result.stderror[in_page_order()], STANDARD_ERRORS, rtol=PAGE_ERRORS)
    assert_allclose(result.bse[in_page_order()], STANDARD_ERRORS, rtol=PAGE_ERRORS)


def test_covariance():
    names = in_page_order()
    covariance = fit("verbagg").vcov.loc[names, names].to_numpy()
    for i, line in enumerate(COVARIANCE.strip().splitlines()):
        for j, printed in zip(SHOWN, line.split(), strict=True):
            unit = STANDARD_ERRORS[i] * STANDARD_ERRORS[j]
            allowed = last_unit(printed) + 2 * PAGE_ERRORS * unit
            assert abs(covariance[i, j] - float(printed)) <= allowed


def test_fast_fit_of_verbagg():
    # The page's difference is less than ours by what its default fit misses.
    difference = fit("verbagg", fast=True).deviance - fit("verbagg").deviance
    assert 0 <= difference - FAST_MINUS_DEFAULT < PAGE_EXCESS
    assert f"{difference:.4f}" == "0.3380"


@pytest.mark.parametrize(
    "how, printed",
    [
        ({}, "2372.73"),
        ({"fast": True}, "2372.78"),
        ({"n_agq": 9}, "2372.46"),
        ({"n_agq": 9, "fast": True}, "2372.51"),
    ],
    ids=["default", "fast", "nAGQ", "nAGQ_fast"],
)
def test_deviances_of_contra(how, printed):
    result = fit("contra", **how)
    assert f"{result.deviance:.2f}" == printed
    # Of single trials the saturated likelihood is 1.
    assert_allclose(result.objective, result.deviance, rtol=1e-12)
    assert_allclose(result.llf, -result.deviance / 2, rtol=1e-12)
