"""Shifts and scales of a covariate do not matter to a term that is free to correlate with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from small_models import fit

from statsmodels_mixed._core import CoreDesign, CoreGeneralized, CoreWorkspace, TermArrays

FULL2, FULL3 = (np.tril(np.ones((k, k), bool)) for k in (2, 3))
SHIFTS = pytest.mark.parametrize("shift, unit", [(-40, 1), (3e3, 1), (1e5, 1e6), (1e7, 1e-3)])


def data(seed: int, amplitude: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, x = rng.integers(0, 12, 150), rng.standard_normal(150)
    y = 1 + 0.5 * x + rng.standard_normal(12)[g] + amplitude * rng.standard_normal(12)[g] * x
    counts = rng.poisson(np.exp(0.5 * np.clip(y, -4, 4)))
    return pd.DataFrame({"y": y + rng.standard_normal(150), "counts": counts, "x": x, "g": g})


def moved(frame: pd.DataFrame, shift: float, unit: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the data with another x, and K with z K^-1 the new columns 1 and x."""
    x = unit * (frame["x"] + shift)
    # What is left of x after rounding is the covariate of both models.
    frame = frame.assign(x=x / unit - shift)
    return frame.assign(x=x), np.array([[1.0, shift * unit], [0.0, unit]])


def assert_same(usual, other, K):
    assert other.converged
    assert_allclose(other.objective, usual.objective, rtol=1e-9, atol=1e-6)
    assert_allclose(other.fittedvalues, usual.fittedvalues, rtol=1e-4, atol=1e-4)
    covariance = K @ other.cov_re.to_numpy() @ K.T
    size = np.sqrt(np.diag(usual.cov_re))
    share = covariance / np.outer(size, size) - usual.cov_re / np.outer(size, size)
    # The variance at x = 0 is that of a difference of numbers this many times larger.
    lost = 2e-15 * (K[0, 1] / K[1, 1]) ** 2
    assert_allclose(share, 0.0, atol=1e-4 + lost)
    assert abs(share.iloc[1, 1]) < 1e-4
    assert_allclose(other.bse.iloc[1] * K[1, 1], usual.bse.iloc[1], rtol=1e-4)
    assert_allclose(other.params.iloc[1] * K[1, 1], usual.params.iloc[1], rtol=1e-4, atol=1e-6)


@SHIFTS
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("amplitude", [1.0, 0.2])
def test_linear_model(seed, amplitude, shift, unit):
    frame = data(seed, amplitude)
    usual = fit("y ~ x + (x | g)", frame)
    other, K = moved(frame, shift, unit)
    assert_same(usual, fit("y ~ x + (x | g)", other), K)


@SHIFTS
def test_generalized_model(shift, unit):
    frame = data(3)
    other, K = moved(frame, shift, unit)
    usual, result = (
        smf.mixedglm2("counts ~ x + (x | g)", one, family=sm.families.Poisson()).fit()
        for one in (frame, other)
    )
    assert_same(usual, result, K)


def test_singular_is_singular_for_every_shift():
    frame = data(4, amplitude=0.0)
    flags = {
        fit("y ~ x + (x | g)", moved(frame, shift, 1.0)[0]).issingular()
        for shift in (0.0, 10.0, 1e3, 1e5, 1e7)
    }
    assert len(flags) == 1


# The change of coordinates.


def terms(shift: float) -> tuple[list[TermArrays], np.ndarray, np.ndarray]:
    """Return a joined term, one in which two columns of three are joined, X, y."""
    rng = np.random.default_rng(8)
    n = 60
    x = shift + rng.standard_normal(n)
    w = rng.standard_normal(n)
    part = FULL3.copy()
    part[2, :2] = False
    made = [
        TermArrays(9, rng.integers(0, 9, n).astype(np.int32), np.column_stack(columns), pattern)
        for columns, pattern in (
            ((np.ones(n), x, x**2), FULL3),
            ((x, np.ones(n), w), part),
        )
    ]
    X = np.column_stack([np.ones(n), w])
    return made, X, rng.standard_normal(n) + w


def dense_deviance(made, X, y, factors):
    """Profiled deviance by its definition."""
    V = np.eye(len(y))
    for term, T in zip(made, factors, strict=True):
        same = term.refs[:, None] == term.refs
        V += (term.z @ T @ T.T @ term.z.T) * same
    solved = np.linalg.solve(V, np.column_stack([X, y]))
    beta = np.linalg.solve(X.T @ solved[:, :2], X.T @ solved[:, 2])
    residual = y - X @ beta
    r2 = residual @ np.linalg.solve(V, residual)
    n = len(y)
    return np.linalg.slogdet(V)[1] + n * (1 + np.log(2 * np.pi * r2 / n)), V, beta


@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_core_answers_in_the_coordinates_of_the_terms(shift):
    made, X, y = terms(shift)
    design = CoreDesign(made, X)
    assert design.coordinates.trivial == (shift == 0.0)
    workspace = CoreWorkspace(design, y)
    rng = np.random.default_rng(5)
    theta = rng.standard_normal(design.ntheta) * workspace.theta_scale()
    factors = []
    at = 0
    for term in made:
        columns, rows = np.nonzero(term.pattern.T)
        T = np.zeros(term.pattern.shape)
        T[rows, columns] = theta[at : at + len(rows)]
        at += len(rows)
        factors.append(T)
    value, gradient = workspace.value_and_gradient(theta)
    want, V, beta = dense_deviance(made, X, y, factors)
    assert_allclose(value, want, rtol=1e-9)
    steps = 1e-5 * workspace.theta_scale()
    for i, step in enumerate(steps):
        e = np.zeros(len(theta))
        e[i] = step
        slope = (workspace.value(theta + e) - workspace.value(theta - e)) / (2 * step)
        assert_allclose(
            gradient[i] * workspace.theta_scale()[i], slope * workspace.theta_scale()[i], atol=1e-4
        )
    workspace.value_and_gradient(theta)
    solved = np.linalg.solve(V, y - X @ beta)
    b = design.by_term(workspace.solution().b)
    slopes, variances = workspace.mode_slopes(), workspace.condvar()
    levels = np.array([[3, 5]], dtype=np.int32)
    joint = workspace.level_covariances(levels)[0]
    for t, (term, T) in enumerate(zip(made, factors, strict=True)):
        for level in (3, 5):
            Z = term.z * (term.refs == level)[:, None]
            G = T @ T.T
            size = np.sqrt(np.diag(G))
            assert_allclose(b[t][level] / size, G @ Z.T @ solved / size, rtol=1e-6, atol=1e-8)
            wanted = G - G @ Z.T @ np.linalg.solve(V, Z @ G)
            outer = np.outer(size, size)
            assert_allclose(variances[t][level] / outer, wanted / outer, atol=1e-8)
            slope = G @ Z.T @ np.linalg.solve(V, X)
            assert_allclose(slopes[t][level] / size[:, None], slope / size[:, None], atol=1e-7)
            if level == levels[0, t]:
                part = slice(3 * t, 3 * t + 3)
                assert_allclose(joint[part, part] / outer, wanted / outer, atol=1e-8)


def test_columns_that_depend_on_others_are_left_alone():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(40)
    z = np.column_stack([np.ones(40), x, 2 + 3 * x])
    term = TermArrays(5, rng.integers(0, 5, 40).astype(np.int32), z, FULL3)
    design = CoreDesign([term], np.ones((40, 1)))
    workspace = CoreWorkspace(design, rng.standard_normal(40))
    theta = workspace.theta_scale() * rng.standard_normal(6)
    value, gradient = workspace.value_and_gradient(theta)
    assert np.isfinite(value) and np.all(np.isfinite(gradient))
    coordinates = design.coordinates
    assert_allclose(coordinates.outward(coordinates.inward(theta)), theta, rtol=1e-10)


def test_generalized_core_answers_in_the_coordinates_of_the_terms():
    made, X, _ = terms(30.0)
    y = np.random.default_rng(1).poisson(2.0, 60).astype(float)
    design = CoreDesign(made[:1], X)
    core = CoreGeneralized(design, "poisson", "log", y)
    core.set_approximation(False, np.zeros(1), np.zeros(1))
    at = np.concatenate(
        [0.3 * design.coordinates.identity(1 / design.coordinates.column_sizes()), [0.5, 0.1]]
    )
    _, gradient = core.value_and_gradient(at)
    size = np.concatenate(
        [1 / np.sqrt(np.mean(made[0].z ** 2, axis=0))[[0, 1, 2, 1, 2, 2]], [1, 1]]
    )
    for i in range(len(at)):
        e = np.zeros(len(at))
        e[i] = 1e-6 * size[i]
        above, below = core.value_and_gradient(at + e)[0], core.value_and_gradient(at - e)[0]
        assert_allclose(gradient[i] * size[i], (above - below) / 2e-6, rtol=1e-4, atol=1e-3)
    core.value_and_gradient(at)
    solution = core.solution()
    (b,) = design.by_term(solution.b)
    eta = X @ solution.beta + np.einsum("ij,ij->i", made[0].z, b[made[0].refs])
    assert_allclose(eta, solution.eta, atol=1e-8)
