"""Rows of every distribution and link from eta = -800 to 800, against decimals of 60 digits.

The log-likelihood is written as in a textbook, in Python's decimal arithmetic; derivatives are
its central differences.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import gammaln, log_ndtr

from statsmodels_mixed._core import family_rows

STEP = Decimal("1e-12")


@cache
def pi() -> Decimal:
    """By Machin's formula."""
    with localcontext() as context:
        context.prec = 260
        return 4 * (4 * arctan(Decimal(1) / 5) - arctan(Decimal(1) / 239))


def normal_tail(x: Decimal) -> Decimal:
    """P(X > x) for x >= 0: the power series near zero, the continued fraction far out."""
    density = (-x * x / 2).exp() / (2 * pi()).sqrt()
    if x < 8:
        total, term = Decimal(0), x
        for k in range(1, 600):
            total += term
            term = term * x * x / (2 * k + 1)
        return Decimal("0.5") - density * total
    fraction = Decimal(0)
    for k in range(400, 0, -1):
        fraction = k / (x + fraction)
    return density / (x + fraction)


def arctan(x: Decimal) -> Decimal:
    """By Euler's series after three halvings of the angle; for x >= 0."""
    if x > 1:
        return pi() / 2 - arctan(1 / x)
    for _ in range(3):
        x = x / (1 + (1 + x * x).sqrt())
    term, total = x / (1 + x * x), Decimal(0)
    for k in range(1, 260):
        total += term
        term = term * 2 * k / (2 * k + 1) * x * x / (1 + x * x)
    return 8 * total


def probabilities(link: str, eta: Decimal) -> tuple[Decimal, Decimal]:
    """mu and 1 - mu."""
    if link == "loglog":
        return probabilities("cloglog", -eta)[::-1]
    if eta > 0 and link != "cloglog":
        return probabilities(link, -eta)[::-1]
    if link == "logit":
        e = eta.exp()
        return e / (1 + e), 1 / (1 + e)
    if link == "cloglog":
        rest = (-eta.exp()).exp()
        return 1 - rest, rest
    tail = normal_tail(-eta) if link == "probit" else Decimal("0.5") - arctan(-eta) / pi()
    return tail, 1 - tail


def binomial(link, eta, y, m):
    mu, rest = probabilities(link, eta)
    return m * ((y * mu.ln() if y else 0) + ((1 - y) * rest.ln() if y != 1 else 0))


def mean(link, eta):
    return {
        "log": lambda: eta.exp(),
        "identity": lambda: eta,
        "sqrt": lambda: eta * eta,
        "inverse": lambda: 1 / eta,
        "inverse-squared": lambda: 1 / eta.sqrt(),
    }[link]()


def poisson(link, eta, y, m):
    mu = mean(link, eta)
    return m * ((y * mu.ln() if y else 0) - mu)


def gamma(link, eta, y, phi):
    mu = mean(link, eta)
    return -(mu.ln() + y / mu) / phi


def inverse_gaussian(link, eta, y, phi):
    mu = mean(link, eta)
    return -((y - mu) ** 2) / (2 * phi * y * mu * mu)


def negative_binomial(link, eta, y, phi):
    mu = mean(link, eta)
    return (y * mu.ln() if y else 0) - (y + 1 / phi) * (1 + phi * mu).ln()


def check(function, family, link, eta, y, dispersion, *, weight=1.0, **how):
    """Compare differences of the log-likelihood between eta and a point near it, l and wo."""
    at = [Decimal(float(value)) for value in (eta, y, dispersion)]
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 250, 10**15, -(10**15)
        center, up, down = (function(link, at[0] + s * STEP, *at[1:]) for s in (0, 1, -1))
        slope = float((up - down) / (2 * STEP))
        second = float((up - 2 * center + down) / STEP**2)
        reference = float(function(link, at[0], *at[1:]) - function(link, at[0] / 2, *at[1:]))
    zeta = 0.0 if family in ("binomial", "poisson") else float(np.log(dispersion))
    both = np.array([eta, eta / 2])
    rows = family_rows(
        family, "power" if "power" in how else link, np.full(2, y), both,
        weights=np.full(2, weight), zeta=zeta, observed=True, **how,
    )  # fmt: skip
    size = 1e-11 * (1 + abs(slope) * (1 + abs(eta)))
    assert_allclose(rows["loglik"][0] - rows["loglik"][1], reference, rtol=1e-11, atol=size)
    assert_allclose(rows["l"][0], slope, rtol=1e-9, atol=1e-20)
    assert_allclose(rows["wo"][0], -second, rtol=2e-8, atol=1e-9 * abs(slope) + 1e-290)


ETAS = [0.3, 1, 3, 3.99, 4.01, 6.6, 8.5, 12, 37, 38.6, 100, 800]


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_binomial_rows(link):
    for size, sign, (y, m) in product(ETAS, (1, -1), ((0, 1), (1, 1), (0.25, 8))):
        if link in ("cloglog", "loglog") and size > 10:
            continue
        check(binomial, "binomial", link, sign * size, y, m, weight=m)


@pytest.mark.parametrize("eta", [-300.0, -40.0, 12.0, 100.0, 650.0])
def test_log_log_rows_far_out(eta):
    """log mu = eta - e^eta / 2 + ... below, log(1 - mu) = -e^eta everywhere."""
    e = np.exp(eta)
    for link, y in (("cloglog", 0.0), ("loglog", 1.0)):
        sign = 1 if link == "cloglog" else -1
        row = family_rows("binomial", link, np.array([y]), np.array([sign * eta]))
        assert_allclose([row["loglik"][0], row["l"][0], row["wo"][0]], [-e, -sign * e, e])
        row = family_rows("binomial", link, np.array([1 - y]), np.array([sign * eta]))
        value, slope = (eta - e / 2, 1 - e / 2) if eta < 0 else (0, 0)
        assert_allclose(row["loglik"][0], value, rtol=1e-14)
        assert_allclose(row["l"][0], sign * slope, rtol=1e-14)
        assert 0 <= row["w"][0] <= 1


LINKS = {"log": {}, "identity": {}, "sqrt": {"power": 0.5}, "inverse": {"power": -1.0},
         "inverse-squared": {"power": -2.0}}  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
def test_rows_of_positive_means(link):
    etas = [-200, -37, -2, 0.5, 6.6, 200] if link == "log" else [1e-5, 0.3, 2, 40, 800]
    for eta, y in product(etas, (0, 1, 7)):
        check(poisson, "poisson", link, eta, y, 1, **LINKS[link])
        for phi in (1e-3, 0.4, 30.0):
            check(negative_binomial, "negative_binomial", link, eta, y, phi, **LINKS[link])
            if y:
                check(gamma, "gamma", link, eta, y, phi, **LINKS[link])
                check(inverse_gaussian, "inverse_gaussian", link, eta, y, phi, **LINKS[link])


def test_edges():
    """Means of zero with counts of zero, certain outcomes, and rows of weight zero."""
    at_zero = {"y": np.zeros(1), "eta": np.zeros(1)}
    row = family_rows("poisson", "identity", **at_zero)
    assert (row["loglik"][0], row["l"][0], row["wo"][0]) == (0, -1, 0)
    row = family_rows("poisson", "power", power=0.5, **at_zero)
    assert (row["loglik"][0], row["l"][0], row["wo"][0], row["w"][0]) == (0, 0, 2, 4)
    row = family_rows("negative_binomial", "identity", **at_zero)
    assert (row["loglik"][0], row["l"][0], row["wo"][0]) == (0, -1, -1)
    eta = np.array([-37.0, -40, -800])
    assert_allclose(family_rows("binomial", "probit", np.ones(3), eta)["loglik"], log_ndtr(eta))
    for family, link in (("poisson", "identity"), ("gamma", "log"), ("binomial", "logit")):
        rows = family_rows(family, link, np.ones(2), np.array([-1.0, 800]), weights=np.zeros(2))
        assert all(np.all(values == 0) for values in rows.values())


@pytest.mark.parametrize("level", [1e-6, 0.3, 40.0, 1e5, 1e9])
def test_constants_of_counts(level):
    """All constants are there: sums over counts are one, or gammaln where it is precise."""
    y = np.arange(400.0) if level < 100 else np.round(level) + np.array([0.0])
    eta = np.full(len(y), np.log(level))
    poisson_rows = family_rows("poisson", "log", y, eta)["loglik"]
    phi = 0.01
    counts = family_rows("negative_binomial", "log", y, eta, zeta=np.log(phi))["loglik"]
    if level < 100:
        assert_allclose(np.exp(poisson_rows).sum(), 1, rtol=1e-12)
        assert_allclose(np.exp(counts).sum(), 1, rtol=1e-12)
    else:
        # by Stirling's formula, which is exact to 1e-16 here
        assert_allclose(
            poisson_rows, -0.5 * np.log(2 * np.pi * y) - 1 / (12 * y) - (y - level) ** 2 / (2 * y),
            rtol=1e-12,
        )  # fmt: skip
        k = 1 / phi
        log_gamma = (k - 1) * np.log(y / level) - k * y / level + k * np.log(k) - gammaln(k)
        assert_allclose(counts, log_gamma - np.log(level), rtol=3 * k * k / level + 1e-13)


def test_binomial_coefficients():
    hits = np.arange(1001.0)
    rows = family_rows(
        "binomial", "logit", hits / 1000, np.full(1001, -0.4), weights=np.full(1001, 1000.0)
    )
    assert_allclose(np.exp(rows["loglik"]).sum(), 1, rtol=1e-12)
