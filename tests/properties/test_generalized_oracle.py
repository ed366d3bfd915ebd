"""Generalized models in the C core against the dense oracle, for every family and shape."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from core_cases import CASES
from generalized_cases import KINDS, PHI, SHAPES, Case, make_case
from numpy.testing import assert_allclose

from statsmodels_mixed._core import CoreGeneralized

VALUE = 1e-8  # relative, of the objective
EXACT = 1e-6  # relative to the largest element, of modes and of what depends on them
DIFFERENCE = 1e-5  # the same, of gradients by central differences
STEP = 1e-3

each_kind = pytest.mark.parametrize("name", KINDS)
each_shape = pytest.mark.parametrize("shape", SHAPES)

# Links that take any linear predictor, so that theta and beta may be anything.
ANYWHERE = [
    name
    for name, kind in KINDS.items()
    if kind.link not in ("identity", "power") and (kind.family, kind.link) != ("binomial", "log")
]


@cache
def case(name: str, shape: str, seed: int = 0) -> Case:
    return make_case(name, shape, seed)


def approximations(one: Case) -> list[dict[str, int]]:
    """Laplace, and quadrature where there is a single term; each by both information."""
    points = (1, 5) if len(one.model.terms) == 1 else (1,)
    return [{"points": k, "observed": which} for k in points for which in (False, True)]


def close(actual: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    """Compare relative to the largest element wanted."""
    scale = max(float(np.max(np.abs(wanted), initial=0.0)), 1e-3)
    assert_allclose(np.asarray(actual) / scale, np.asarray(wanted) / scale, rtol=0, atol=tolerance)


def by_differences(core: CoreGeneralized, at: np.ndarray) -> np.ndarray:
    """Gradient by central differences with four points."""
    gradient = np.empty(len(at))
    for i in range(len(at)):
        move = np.zeros(len(at))
        move[i] = STEP
        f = [core.value_and_gradient(at + h * move)[0] for h in (-2, -1, 1, 2)]
        gradient[i] = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * STEP)
    return gradient


@each_shape
@each_kind
def test_objective(name, shape):
    one = case(name, shape)
    for how in approximations(one):
        for fast in (False, True):
            at = one.parameters(fast)
            value, _ = one.core(fast=fast, **how).value_and_gradient(at)
            assert_allclose(value, one.oracle(at, fast, **how), rtol=VALUE, err_msg=f"{how} {fast}")


@each_shape
@each_kind
def test_gradient(name, shape):
    one = case(name, shape, 1)
    for how in approximations(one):
        for fast in (False, True):
            core, at = one.core(fast=fast, **how), one.parameters(fast)
            _, gradient = core.value_and_gradient(at)
            close(gradient, by_differences(core, at), DIFFERENCE)


def far(one: Case, fast: bool, scale: float) -> np.ndarray:
    """Parameters with larger theta of random signs and with other coefficients."""
    rng = np.random.default_rng(len(one.theta))
    at, k = one.parameters(fast).copy(), len(one.theta)
    at[:k] *= scale * rng.choice([-1, 1], size=k)
    if not fast:
        at[k : k + len(one.beta)] += rng.normal(scale=0.5, size=len(one.beta))
    return at


@pytest.mark.parametrize("scale", [0.0, 5.0])
@pytest.mark.parametrize("shape", ["vector", "mixed, weights"])
@pytest.mark.parametrize("name", ANYWHERE)
def test_far_from_the_truth(name, shape, scale):
    """Without random effects, and with large ones."""
    one = case(name, shape, 2)
    for how in approximations(one):
        for fast in (False, True):
            core, at = one.core(fast=fast, **how), far(one, fast, scale)
            value, gradient = core.value_and_gradient(at)
            assert_allclose(value, one.oracle(at, fast, **how), rtol=VALUE)
            close(gradient, by_differences(core, at), DIFFERENCE)


@pytest.mark.parametrize("name", ANYWHERE)
def test_modes_and_covariances(name):
    """With the expected information, for either approximation."""
    one = case(name, "mixed, weights")
    model, k = one.model, len(one.theta)
    for fast in (False, True):
        core = one.core(observed=True, fast=fast)
        core.value_and_gradient(one.parameters(fast))
        got = core.solution()
        u, beta, Z = model.modes(one.theta, one.beta, fast)
        eta = model.X @ beta + Z @ u
        _, _, w, observed = model.rows(eta)
        close(got.u, u, EXACT)
        close(got.beta, beta, EXACT)
        close(got.eta, eta, EXACT)
        Omega = (Z.T * w) @ Z + np.eye(len(u))
        inverse = np.linalg.inv(Omega)
        half = Z.T @ (w[:, None] * model.X)
        close(
            got.xvx_inverse,
            np.linalg.inv((model.X.T * w) @ model.X - half.T @ inverse @ half),
            EXACT,
        )
        assert_allclose(got.usq, u @ u, rtol=EXACT)
        assert_allclose(got.loglik, model.rows(eta)[0].sum(), rtol=EXACT)
        with_observed = (Z.T * observed) @ Z + np.eye(len(u))
        assert_allclose(got.logdet_omega, np.linalg.slogdet(with_observed)[1], rtol=EXACT)
        assert_allclose(got.dispersion, PHI if one.kind.has_dispersion else 1.0)
        at, before = 0, 0
        for term, variances in zip(model.terms, got.condvar, strict=True):
            size = term.pattern.shape[0]
            T = np.zeros(term.pattern.shape)
            free = np.count_nonzero(term.pattern)
            T.T[term.pattern.T] = one.theta[before : before + free]
            before += free
            for j in range(term.levels):
                own = slice(at, at + size)
                close(variances[j], T @ inverse[own, own] @ T.T, EXACT)
                close(got.b[own], T @ u[own], EXACT)
                at += size
        assert before == k


@pytest.mark.parametrize(
    "name, tolerance",
    [
        ("binomial-logit", 1e-12),
        ("binomial-cloglog", 1e-12),
        ("poisson-log", 1e-12),
        ("gamma-log", 1e-12),
        # Rows whose observed information is negative take steps that converge more slowly.
        ("binomial-cauchit", 1e-9),
        ("inverse_gaussian-log", 1e-9),
    ],
)
def test_values_do_not_depend_on_the_evaluations_before(name, tolerance):
    """PIRLS starts from the last modes and must not show it."""
    one = case(name, "crossed")
    for fast in (False, True):
        core = one.core(observed=True, fast=fast)
        value, gradient = core.value_and_gradient(one.parameters(fast))
        core.value_and_gradient(far(one, fast, 6.0))
        again, gradient_again = core.value_and_gradient(one.parameters(fast))
        assert_allclose(again, value, rtol=tolerance)
        close(gradient_again, gradient, 1e-6)


# Quadrature against integrals.


@pytest.mark.parametrize("name", ANYWHERE)
def test_quadrature_is_the_integral(name):
    one = case(name, "scalar, weights", 3)
    at = far(one, False, 2.0)
    k, p = len(one.theta), len(one.beta)
    exact = one.model.integral(at[:k], at[k : k + p])
    errors = []
    for points in (1, 5, 15, 31):
        value, _ = one.core(points=points).value_and_gradient(at)
        errors.append(abs(value - exact))
    # Cauchy's tails and Gaussian errors on the logit scale leave flat likelihoods.
    heavy = name in ("binomial-cauchit", "gaussian-logit")
    assert errors[3] < (1e-3 if heavy else 1e-7) * max(1.0, abs(exact) / 100)
    assert errors[1] < errors[0] or errors[0] < 1e-6


@pytest.mark.parametrize("name", ["binomial-logit", "poisson-log", "gamma-log"])
def test_quadrature_of_vectors_is_the_integral(name):
    one = case(name, "vector", 3)
    at = far(one, False, 2.0)
    k, p = len(one.theta), len(one.beta)
    exact = one.model.integral(at[:k], at[k : k + p], points=49)
    value, _ = one.core(points=15).value_and_gradient(at)
    assert_allclose(value, exact, rtol=1e-7)


# Gaussian responses with the identity link are a linear model.


@pytest.mark.parametrize("name", CASES)
def test_gaussian_identity_is_the_linear_model(name):
    """Of every shape the core knows, at theta relative to sigma and absolute."""
    linear, sigma = CASES[name](), 1.7
    workspace = linear.workspace(sigma=sigma)
    value, gradient = workspace.value_and_gradient(linear.theta)
    core = CoreGeneralized(
        linear.design(), "gaussian", "identity", linear.y, weights=linear.weights
    )
    core.set_approximation(True, np.zeros(1), np.zeros(1))
    at = np.append(sigma * linear.theta, 2 * np.log(sigma))
    got, slope = core.value_and_gradient(at)
    assert_allclose(got, value - linear.log_weights, rtol=1e-10)
    close(slope[:-1] * sigma, gradient, 1e-8)
    there, solution = workspace.solution(), core.solution()
    close(solution.beta, there.beta, 1e-8)
    close(solution.b, there.b, 1e-8)
    close(solution.u * sigma, there.u, 1e-8)


@pytest.mark.parametrize("shape", ["scalar, weights", "vector, weights and offset"])
def test_quadrature_of_gaussian_responses_is_exact(shape):
    one = case("gaussian-identity", shape)
    at = one.parameters()
    laplace, gradient = one.core().value_and_gradient(at)
    for points in (2, 5):
        value, slope = one.core(points=points).value_and_gradient(at)
        assert_allclose(value, laplace, rtol=1e-12)
        close(slope, gradient, 1e-10)
