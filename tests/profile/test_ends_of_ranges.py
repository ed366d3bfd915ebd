"""Profiles beside and at ends of ranges, against dense computations of Laplace's approximation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import betaln, comb, expit

import statsmodels_mixed as smm

Q = stats.chi2.isf(0.05, 1)
GROUPS, EACH, TRIALS = 8, 10, 10


@pytest.fixture(scope="module")
def narrow() -> pd.DataFrame:
    """Binomial counts, and shares that vary less than they do."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(GROUPS), EACH)
    x, u = rng.normal(size=len(g)), 0.5 * rng.normal(size=GROUPS)
    p = expit(-0.5 + 0.3 * x + u[g])
    k = rng.binomial(TRIALS, p)
    share = np.rint(TRIALS * 0.5 * (p + rng.binomial(TRIALS, p) / TRIALS)) / TRIALS
    return pd.DataFrame({"g": g, "x": x, "k": k, "share": share})


def poisson(y, eta, _):
    return stats.poisson.logpmf(y, np.exp(eta))


def binomial(y, eta, _):
    return stats.binom.logpmf(np.rint(TRIALS * y), TRIALS, expit(eta))


def inflated(y, eta, logit):
    p, plain = expit(logit), poisson(y, eta, None)
    return np.where(y == 0, np.log(p + (1 - p) * np.exp(plain)), np.log1p(-p) + plain)


def negative_binomial(y, eta, log_size):
    size = np.exp(log_size)
    return stats.nbinom.logpmf(y, size, size / (size + np.exp(eta)))


def negative_binomial1(y, eta, log_phi):
    return stats.nbinom.logpmf(y, np.exp(eta - log_phi), 1.0 / (1.0 + np.exp(log_phi)))


def beta_binomial(y, eta, log_phi):
    mu, phi = expit(eta), np.exp(log_phi)
    k, a, b = np.rint(TRIALS * y), mu * phi, (1 - mu) * phi
    return np.log(comb(TRIALS, k)) + betaln(k + a, TRIALS - k + b) - betaln(a, b)


# Response, family, options, density and that at the end, the parameter and where its end is.
CASES = {
    "no inflation": ("k", "poisson", {"zero_inflation": "~ 1"}, inflated, poisson, "zi", -1),
    "nbinom2": ("k", "nbinom2", {"dispersion": "~ 1"}, negative_binomial, poisson, "disp", 1),
    "nbinom1": ("k", "nbinom1", {"dispersion": "~ 1"}, negative_binomial1, poisson, "disp", -1),
    "beta_binomial": (
        "share", "beta_binomial", {"dispersion": "~ 1", "weights": TRIALS * np.ones(GROUPS * EACH)},
        beta_binomial, binomial, "disp", 1,
    ),
}  # fmt: skip


def laplace(density, y, x, psi, last):
    """Return -2 log-likelihood at intercept, slope and log standard deviation."""
    b0, b1, log_sd = psi
    sd, h, modes = np.exp(log_sd), 1e-3, np.zeros(GROUPS)

    def by_group(u):
        rows = density(y, b0 + b1 * x + sd * np.repeat(u, EACH), last)
        return rows.reshape(GROUPS, EACH).sum(axis=1) - u**2 / 2

    for _ in range(8):  # Newton's steps, by differences
        below, here, above = (by_group(modes + step) for step in (-h, 0.0, h))
        curvature = (above - 2 * here + below) / h**2
        modes = modes - (above - below) / (2 * h) / curvature
    return -2 * np.sum(here - 0.5 * np.log(-curvature))


def least(density, data, response, last):
    """Return the minimum at a given last parameter."""
    y, x = np.asarray(data[response], dtype=float), np.asarray(data["x"])
    start = np.array([np.log(np.mean(y) / (1.0 if response == "k" else 1.0 - np.mean(y))), 0.1, -1])
    options = {"eps": 1e-4, "gtol": 1e-2}  # the differences of Newton's steps have errors
    return minimize(lambda psi: laplace(density, y, x, psi, last), start, options=options).fun


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_finite_side_of_a_parameter_at_its_end_is_exact(narrow, case):
    response, family, options, density, limit, label, sign = case
    fit = smm.mixedglm2(f"{response} ~ x + (1 | g)", narrow, family, **options).fit()
    name = f"{label}: Intercept"
    limits = fit.conf_int(method="profile").loc[name]
    assert limits[0 if sign < 0 else 1] == sign * np.inf
    minimum = least(limit, narrow, response, None)
    assert minimum == pytest.approx(-2 * fit.llf, abs=1e-4)
    finite = limits[1 if sign < 0 else 0]
    assert least(density, narrow, response, finite) - minimum == pytest.approx(Q, rel=2e-3)
    profiled = fit.profile("beta").conf_int().loc[("beta", name)]
    assert profiled[["lower", "upper"]].tolist() == pytest.approx(limits.tolist(), abs=2e-3)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
def test_replicates_without_zero_inflation_are_at_minus_infinity(narrow):
    """They have the likelihood of Poisson's distribution, all others a higher one."""
    fit = smm.mixedglm2("k ~ x + (1 | g)", narrow, "poisson", zero_inflation="~ 1").fit()
    replicates = fit.bootstrap(20, seed=1)
    found = replicates.frame[("beta", "zi: Intercept")].to_numpy()
    plain = smm.mixedglm2("k ~ x + (1 | g)", narrow, "poisson").fit()
    drawn = np.asarray(fit.simulate(20, seed=1)).T
    gained = [plain.refit(y).objective - fit.refit(y).objective for y in drawn]
    assert np.array_equal(np.isneginf(found), np.array(gained) < 1e-6)
    assert 5 < np.isneginf(found).sum() < 20
    lower, upper = replicates.conf_int(0.2).loc[("beta", "zi: Intercept"), ["lower", "upper"]]
    assert np.isneginf(lower)
    # Order statistic 0.9 (20 + 1), interpolated.
    assert upper == pytest.approx(0.1 * np.sort(found)[17] + 0.9 * np.sort(found)[18])
