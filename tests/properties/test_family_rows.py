"""Likelihoods of single rows against the families and links of statsmodels."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from generalized_cases import FAMILIES, KINDS, Kind
from glmm_oracle import Model
from numpy.testing import assert_allclose
from scipy.special import expit, log1p, log_ndtr
from scipy.stats import norm

from statsmodels_mixed._core import CoreDesign, CoreGeneralized, TermArrays, family_rows
from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.fitting.families.spec import read_family

EXACT = 1e-10  # relative: the same formula in another arrangement
DIFFERENCE = 1e-8  # relative, of central differences with four points
STEP = 1e-3
ZETA = -0.9

each_kind = pytest.mark.parametrize("name", KINDS)


def sample(kind: Kind, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y, eta and weights; a third of the rows of weight 1."""
    rng = np.random.default_rng(17)
    eta = rng.uniform(kind.low, kind.high, size=n)
    weights = np.where(np.arange(n) % 3 == 0, 1.0, rng.uniform(0.5, 3.0, size=n))
    # responses of other means, so that residuals are large
    mu = kind.object().link.inverse(rng.permutation(eta))
    if kind.family == "binomial":
        weights = np.ceil(weights)
        return rng.binomial(weights.astype(int), mu) / weights, eta, weights
    return kind.draw(rng, mu, np.exp(ZETA)), eta, weights


def ours(kind: Kind, y, eta, weights=None, zeta=ZETA, observed=False) -> dict[str, np.ndarray]:
    return family_rows(
        kind.family, kind.link, y, eta, weights=weights, zeta=zeta, power=kind.power,
        observed=observed,
    )  # fmt: skip


def theirs(kind: Kind, y, eta, weights=None, zeta=ZETA) -> tuple[np.ndarray, ...]:
    return Model((), np.empty((len(y), 0)), y, weights=weights, **kind.at(np.exp(zeta))).rows(eta)


def near(actual: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    """Compare relative to each element, or to the typical one where it is smaller."""
    assert_allclose(actual, wanted, rtol=tolerance, atol=tolerance * np.mean(np.abs(wanted)))


def near_slope(actual: np.ndarray, f: Callable[[float], np.ndarray]) -> None:
    """Compare with the derivative of f at 0 by central differences."""
    wanted = (f(-2 * STEP) - 8 * f(-STEP) + 8 * f(STEP) - f(2 * STEP)) / (12 * STEP)
    size = np.mean(np.abs(f(0.0))) + np.mean(np.abs(wanted))
    assert_allclose(actual, wanted, rtol=DIFFERENCE, atol=DIFFERENCE * size)


@each_kind
def test_rows_are_those_of_statsmodels(name):
    kind = KINDS[name]
    y, eta, weights = sample(kind)
    loglik, gradient, expected, observed = theirs(kind, y, eta, weights)
    for which in (False, True):
        rows = ours(kind, y, eta, weights, observed=which)
        near(rows["loglik"], loglik, EXACT)
        near(rows["l"], gradient, EXACT)
        near(rows["wo"], observed, EXACT)
        near(rows["w"], observed if which else expected, EXACT)


@each_kind
def test_no_weights_are_ones(name):
    kind = KINDS[name]
    y, eta, weights = sample(kind)
    if kind.family == "binomial":
        y = np.round(y)
    for key, values in ours(kind, y, eta).items():
        near(values, ours(kind, y, eta, np.ones_like(weights))[key], 1e-14)


@each_kind
def test_derivatives_by_the_linear_predictor(name):
    kind = KINDS[name]
    y, eta, weights = sample(kind)
    rows = ours(kind, y, eta, weights)
    near_slope(rows["l"], lambda h: theirs(kind, y, eta + h, weights)[0])
    near_slope(-rows["wo"], lambda h: theirs(kind, y, eta + h, weights)[1])
    for which in (False, True):
        rows = ours(kind, y, eta, weights, observed=which)
        near_slope(rows["dw"], lambda h, i=2 + which: theirs(kind, y, eta + h, weights)[i])


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.has_dispersion])
def test_derivatives_by_the_log_dispersion(name):
    kind = KINDS[name]
    y, eta, weights = sample(kind)
    for which in (False, True):
        rows = ours(kind, y, eta, weights, observed=which)
        for i, key in ((0, "loglik_zeta"), (1, "l_zeta"), (2 + which, "w_zeta")):
            near_slope(rows[key], lambda h, i=i: theirs(kind, y, eta, weights, ZETA + h)[i])


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.has_dispersion])
def test_families_without_dispersion_ignore_it(name):
    kind = KINDS[name]
    y, eta, weights = sample(kind)
    one, other = (ours(kind, y, eta, weights, zeta=zeta) for zeta in (0.0, 2.0))
    for key, values in one.items():
        np.testing.assert_array_equal(values, other[key])
    for key in ("loglik_zeta", "l_zeta", "w_zeta"):
        np.testing.assert_array_equal(one[key], 0.0)


def test_every_link_of_statsmodels_is_covered():
    """`KINDS` has all that statsmodels offers for a family and `read_family` accepts."""
    covered = {(kind.family, kind.link, kind.power) for kind in KINDS.values()}
    refused = []
    for name, family in FAMILIES.items():
        for link in family.links:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = family(link())
            try:
                spec = read_family(made)
            except OptionError:
                refused.append((name, link.__name__))
                continue
            assert (spec.family, spec.link, spec.power) in covered
            assert spec.has_dispersion == Kind(name, spec.link, 0, 1).has_dispersion
    assert refused == [
        ("binomial", "LogC"),
        ("negative_binomial", "CLogLog"),
        ("negative_binomial", "NegativeBinomial"),
    ]


# Probabilities near 0 and 1: mu, 1 - mu and mu' each without cancellation.

TAILS = {
    "logit": (
        np.array([-700, -40, -20, 20, 36, 40, 700.0]),
        lambda x: (-np.logaddexp(0, -x), -np.logaddexp(0, x)),
        lambda x: -np.logaddexp(0, -x) - np.logaddexp(0, x),
    ),
    "probit": (
        np.array([-12, -8, -6, 6, 8, 9, 12.0]),
        lambda x: (log_ndtr(x), log_ndtr(-x)),
        norm.logpdf,
    ),
    "cloglog": (
        np.array([-40, -20, 2, 3, 3.5, 4, 6.0]),
        lambda x: (np.log(-np.expm1(-np.exp(x))), -np.exp(x)),
        lambda x: x - np.exp(x),
    ),
    "loglog": (
        np.array([40, 20, -2, -3, -3.5, -4, -6.0]),
        lambda x: (-np.exp(-x), np.log(-np.expm1(-np.exp(-x)))),
        lambda x: -x - np.exp(-x),
    ),
    "cauchit": (
        np.array([-1e4, -30, 30, 1e4]),
        lambda x: (np.log(np.arctan2(1, -x) / np.pi), np.log(np.arctan2(1, x) / np.pi)),
        lambda x: -np.log(np.pi) - log1p(x**2),
    ),
}


@pytest.mark.parametrize("link", TAILS)
@pytest.mark.parametrize("success", [True, False])
def test_tails_of_binary_responses(link, success):
    """Rows that are nearly certain weigh nearly nothing, and rows that should not be a lot."""
    eta, log_probabilities, log_density = TAILS[link]
    log_mu, log_other = log_probabilities(eta)
    log_d1 = log_density(eta)
    rows = family_rows("binomial", link, np.full(len(eta), float(success)), eta)
    loglik = log_mu if success else log_other
    assert_allclose(rows["loglik"], loglik, rtol=1e-9, atol=1e-15)
    sign = 1 if success else -1
    assert_allclose(rows["l"], sign * np.exp(log_d1 - loglik), rtol=1e-9, atol=1e-15)
    information = np.exp(2 * log_d1 - log_mu - log_other)
    assert_allclose(rows["w"], information, rtol=1e-9, atol=1e-15)
    for key in ("wo", "dw"):
        assert np.all(np.isfinite(rows[key]))


@pytest.mark.parametrize(
    "family, link, power, y, eta",
    [
        ("binomial", "log", 1.0, 1.0, 0.1),
        ("binomial", "log", 1.0, 0.0, 0.1),
        ("binomial", "identity", 1.0, 1.0, 1.1),
        ("binomial", "identity", 1.0, 0.0, -0.1),
        ("poisson", "identity", 1.0, 0.0, -0.1),
        ("poisson", "identity", 1.0, 2.0, -0.1),
        ("gamma", "identity", 1.0, 1.0, -0.1),
        ("gamma", "power", -1.0, 1.0, -0.1),
        ("inverse_gaussian", "identity", 1.0, 1.0, -0.1),
        ("inverse_gaussian", "power", -1.0, 1.0, -0.1),
        ("inverse_gaussian", "power", -2.0, 1.0, -0.1),
        ("negative_binomial", "identity", 1.0, 0.0, -0.1),
        ("negative_binomial", "identity", 1.0, 2.0, -0.1),
    ],
)
def test_means_that_the_family_cannot_have_are_refused(family, link, power, y, eta):
    """Else the largest likelihood would be found among probabilities above 1."""
    rows = family_rows(family, link, np.array([y]), np.array([eta]), power=power)
    assert not np.isfinite(rows["loglik"][0])


@pytest.mark.parametrize("zeta", [-10.0, -16.0, -25.0, -34.0])
def test_negative_binomial_without_overdispersion_is_poisson(zeta):
    """As alpha goes to 0; data that are not overdispersed have their optimum there."""
    rng = np.random.default_rng(3)
    eta = rng.uniform(-1, 3, size=60)
    y = rng.poisson(np.exp(eta)).astype(float)
    limit = family_rows("poisson", "log", y, eta)
    rows = family_rows("negative_binomial", "log", y, eta, zeta=zeta)
    alpha = np.exp(zeta)
    # The first term of the expansion in alpha, whose next one is of order alpha^2.
    first = 0.5 * alpha * ((y - np.exp(eta)) ** 2 - y)
    assert_allclose(rows["loglik"], limit["loglik"] + first, rtol=0, atol=1e-10 + 3e4 * alpha**2)
    assert_allclose(rows["loglik_zeta"], first, rtol=1e-3, atol=1e-9 + 3e4 * alpha**2)
    for key in ("l", "w", "wo"):
        assert_allclose(rows[key], limit[key], rtol=0, atol=1e-12 + 1e3 * alpha)


# The commonest families have kernels of their own, reached only by models.


def minus_two_loglik(family: str, link: str, y, eta) -> float:
    """The objective of a model in which theta is zero and the offset is all."""
    n = len(y)
    term = TermArrays(2, (np.arange(n) % 2).astype(np.int32), np.ones((n, 1)), np.ones((1, 1)))
    core = CoreGeneralized(CoreDesign([term], np.ones((n, 1))), family, link, y, offset=eta)
    core.set_approximation(False, np.zeros(1), np.zeros(1))
    value, gradient = core.value_and_gradient(np.zeros(2))
    mu = expit(eta) if family == "binomial" else np.exp(eta)
    assert_allclose(gradient, [0.0, -2 * np.sum(y - mu)], rtol=1e-12, atol=1e-12)
    return value


@pytest.mark.parametrize("most", [1.0, 5.0, 30.0, 800.0, 1e4])
def test_kernel_of_binary_logit(most):
    eta = np.linspace(-most, most, 1201)
    y = (np.arange(1201) % 3 == 0).astype(float)
    wanted = -2 * np.sum(y * eta - np.logaddexp(0, eta))
    assert_allclose(minus_two_loglik("binomial", "logit", y, eta), wanted, rtol=1e-13)


@pytest.mark.parametrize("most", [1.0, 5.0, 12.0])
def test_kernel_of_poisson_log(most):
    eta = np.linspace(-most, most, 1201)
    y = np.round(np.exp(np.linspace(0, most, 1201)[::-1] / 2))
    wanted = -2 * KINDS["poisson-log"].object().loglike_obs(y, np.exp(eta)).sum()
    assert_allclose(minus_two_loglik("poisson", "log", y, eta), wanted, rtol=1e-12)
