"""Units of a response, in every family and link: the same fit, or a refusal that says why.

If y is multiplied by c, coefficients of the link mu^p are by c^p, and statistics stay as they are.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from family_cases import pairs, spec_of

from statsmodels_mixed import mixedglm2
from statsmodels_mixed.errors import DataError

RNG = np.random.default_rng(5)
G, X = np.repeat(np.arange(15), 8), RNG.normal(size=120)
ETA = 3.0 + 0.4 * np.clip(0.3 * X + RNG.normal(size=15)[G], -2, 2)
NOISE = RNG.gamma(60, 1 / 60, 120)
MEANS = {
    "log": np.exp(ETA), "inverse": 1 / ETA, "inverse-squared": ETA**-0.5, "sqrt": ETA**2,
    "identity": ETA,
}  # fmt: skip
WITH_UNITS = [
    (family, link)
    for family, link in pairs()
    if link in MEANS and spec_of(family, link).support in ("real", "positive")
    and (family != "student_t" or link in ("identity", "log"))
]  # fmt: skip
POWERS = {"log": 0.0, "inverse": -1.0, "inverse-squared": -2.0, "sqrt": 0.5, "identity": 1.0}


GRID = np.linspace(-6, 6, 2401)  # of u


@cache
def fit(family, link, unit):
    y = MEANS[link] * NOISE
    data = pd.DataFrame({"y": y * unit, "x": X, "g": G})
    return mixedglm2("y ~ x + (1 | g)", data, family, link=link).fit()


# Estimates of Student's degrees of freedom are known to few digits.
FEW_DIGITS = {"student_t": 1e-3}


@pytest.mark.parametrize("unit", [1e-30, 1e12])
@pytest.mark.parametrize(("family", "link"), WITH_UNITS)
def test_units_of_all_families(family, link, unit):
    one, other = fit(family, link, 1.0), fit(family, link, unit)
    assert one.converged and other.converged
    near = {"rtol": FEW_DIGITS.get(family, 1e-6), "atol": 0}
    np.testing.assert_allclose(other.tvalues["x"], one.tvalues["x"], **near)
    np.testing.assert_allclose(other.theta, one.theta * unit ** POWERS[link], **near)
    assert abs(other.objective - one.objective - 240 * np.log(unit)) < 1e-5


@pytest.mark.parametrize("unit", [1.0, 1e12])
def test_modes_of_the_lognormal_are_the_best(unit):
    # Means from e^2 to e^6 beside one standard deviation: other modes are 49 lower.
    rng = np.random.default_rng(5)
    x = rng.normal(size=120)
    eta = 4.0 + np.clip(0.3 * x + rng.normal(size=15)[G], -2, 2)
    y = np.exp(eta) * rng.gamma(60, 1 / 60, 120) * unit
    model = mixedglm2("y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": G}), "lognormal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = model.fit()
    kept = result.estimates
    assert result.converged
    # By dense algebra, at the modes that a grid of each level finds.
    etas = kept.beta[0] + kept.beta[1] * x + kept.theta[0] * GRID[:, None]
    log_variance = np.log1p((kept.dispersion * np.exp(-etas)) ** 2)
    deviation = np.log(y) - etas + 0.5 * log_variance
    rows = -0.5 * (deviation**2 / log_variance + np.log(2 * np.pi * log_variance)) - np.log(y)
    heights = np.array([rows[:, g == G].sum(axis=1) for g in range(15)]) - 0.5 * GRID**2
    own = np.asarray(kept.u[0]).ravel()
    np.testing.assert_allclose(GRID[heights.argmax(axis=1)], own, atol=0.01)


# Exponents of the mean that its derivatives or the variance have are -3p, 1 - 3p, 2 or 3.
HIGHEST = {
    ("gamma", "inverse"): 3, ("gamma", "identity"): 3, ("gamma", "log"): 2,
    ("inverse_gaussian", "log"): 3, ("inverse_gaussian", "inverse-squared"): 6,
    ("gaussian", "inverse"): 4, ("lognormal", "inverse-squared"): 7,
}  # fmt: skip


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("family", "link"), HIGHEST)
def test_up_to_the_range_of_numbers(family, link, sign):
    near, beyond = (10.0 ** int(sign * end / HIGHEST[family, link]) for end in (298, 315))
    one, other = fit(family, link, 1.0), fit(family, link, near)
    assert other.converged
    np.testing.assert_allclose(other.tvalues["x"], one.tvalues["x"], rtol=1e-6)
    with pytest.raises(DataError, match=r"the response 'y' has a mean size of .* power of ten"):
        fit(family, link, beyond)
