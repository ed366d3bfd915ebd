"""Priors other than the identity in the core, against dense matrices and differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from statsmodels_mixed._core import CoreDesign, CoreWorkspace, TermArrays
from statsmodels_mixed.errors import CoreError

N = 60
LOG_2PI = np.log(2 * np.pi)


def walk(levels: int) -> np.ndarray:
    """Precision of a random walk, with a little on the diagonal."""
    steps = np.diff(np.eye(levels), axis=0)
    return steps.T @ steps + 0.3 * np.eye(levels)


def dense(levels: int) -> np.ndarray:
    root = np.random.default_rng(levels).normal(size=(levels, levels + 3))
    return root @ root.T / levels


def lower(Q: np.ndarray) -> sparse.csc_array:
    out = sparse.csc_array(np.tril(Q))
    out.sort_indices()
    return out


CASES = {
    "alone": [(15, 1, walk(15))],
    "slopes": [(12, 2, walk(12))],
    "dense": [(9, 2, dense(9))],
    "first of two": [(14, 1, walk(14)), (5, 2, None)],
    "second of two": [(14, 1, None), (6, 2, walk(6))],
    "both": [(12, 2, walk(12)), (7, 1, dense(7))],
    "three": [(20, 1, walk(20)), (7, 3, walk(7)), (4, 1, None)],
}


def problem(name: str) -> tuple[CoreDesign, np.ndarray, list[TermArrays], list[np.ndarray]]:
    rng = np.random.default_rng(5)
    terms, priors = [], []
    for levels, k, Q in CASES[name]:
        # Some levels have no rows.
        refs = rng.integers(max(levels - 2, 1), size=N, dtype=np.int32)
        z = np.column_stack([np.ones(N), rng.normal(size=(N, k - 1))])
        prior = None if Q is None else lower(Q)
        terms.append(TermArrays(levels, refs, z, np.tril(np.ones((k, k), bool)), prior))
        priors.append(np.eye(levels) if Q is None else Q)
    X = np.column_stack([np.ones(N), rng.normal(size=N)])
    return CoreDesign(terms, X), rng.normal(size=N) + X[:, 1], terms, priors


def factors(terms: list[TermArrays], theta: np.ndarray) -> list[np.ndarray]:
    out, at = [], 0
    for term in terms:
        columns, rows = np.nonzero(term.pattern.T)
        T = np.zeros(term.pattern.shape)
        T[rows, columns] = theta[at : at + len(rows)]
        at += len(rows)
        out.append(T)
    return out


def expanded(term: TermArrays) -> np.ndarray:
    Z = np.zeros((N, term.levels, term.z.shape[1]))
    Z[np.arange(N), term.refs] = term.z
    return Z.reshape(N, -1)


def objective(
    y: np.ndarray,
    X: np.ndarray,
    terms: list[TermArrays],
    priors: list[np.ndarray],
    theta: np.ndarray,
    reml: bool,
) -> float:
    """The criterion from the n x n covariance of the response."""
    V = np.eye(N)
    for term, Q, T in zip(terms, priors, factors(terms, theta), strict=True):
        Z = expanded(term)
        V += Z @ np.kron(np.linalg.inv(Q), T @ T.T) @ Z.T
    VX = np.linalg.solve(V, X)
    XVX = X.T @ VX
    r = y - X @ np.linalg.solve(XVX, VX.T @ y)
    dof = N - X.shape[1] if reml else N
    value = np.linalg.slogdet(V)[1] + dof * (1 + LOG_2PI + np.log(r @ np.linalg.solve(V, r) / dof))
    return float(value + (np.linalg.slogdet(XVX)[1] if reml else 0.0))


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("size", [1.0, 1e-3])
@pytest.mark.parametrize("name", CASES)
def test_objective_and_gradient(name: str, size: float, reml: bool) -> None:
    design, y, terms, priors = problem(name)
    # Small residuals are computed with twice the digits: theta is then large.
    theta = np.random.default_rng(3).normal(size=design.ntheta) * 0.3
    theta[design.coordinates.diagonal] = 0.8
    y = y if size == 1.0 else _of_model(terms, y) + size * y
    theta = theta / size
    workspace = CoreWorkspace(design, y)
    workspace.set_criterion(reml, 0.0)
    value = workspace.value(theta)
    tolerance = 1e-10 if size == 1.0 else 1e-6
    expected = objective(y, design.X, terms, priors, theta, reml)
    assert value == pytest.approx(expected, rel=tolerance)
    gradient = workspace.gradient()
    for i in range(len(theta)):
        h = 1e-4 * np.abs(theta).max()
        up, down = theta.copy(), theta.copy()
        up[i] += h
        down[i] -= h
        slope = (workspace.value(up) - workspace.value(down)) / (2 * h)
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-6 / size * 1e-3 + 1e-6)


def _of_model(terms: list[TermArrays], y: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(8)
    for term in terms:
        y = y + np.sum(rng.normal(size=(term.levels, term.z.shape[1]))[term.refs] * term.z, axis=1)
    return y


@pytest.mark.parametrize("name", CASES)
def test_average_information(name: str) -> None:
    design, y, terms, priors = problem(name)
    theta = np.random.default_rng(3).normal(size=design.ntheta) * 0.3
    theta[design.coordinates.diagonal] = 0.8
    workspace = CoreWorkspace(design, y)
    workspace.set_criterion(True, 0.0)
    workspace.value(theta)
    gradient = workspace.gradient()
    found = workspace.curvature()
    # The average of observed and expected information, and 2 Gamma where T is quadratic in theta.
    Z = [expanded(term) for term in terms]
    Ts = factors(terms, theta)
    V = np.eye(N)
    pieces = []
    for z, T, Q, term in zip(Z, Ts, priors, terms, strict=True):
        inverse = np.linalg.inv(Q)
        V += z @ np.kron(inverse, T @ T.T) @ z.T
        columns, rows = np.nonzero(term.pattern.T)
        for r, c in zip(rows, columns, strict=True):
            D = np.zeros_like(T)
            D[r, c] = 1.0
            pieces.append((z, inverse, D, T))
    Vi = np.linalg.inv(V)
    P = Vi - Vi @ design.X @ np.linalg.solve(design.X.T @ Vi @ design.X, design.X.T @ Vi)
    Py = P @ y
    r2, dof = float(y @ Py), N - design.p
    first = [z @ np.kron(K, D @ T.T + T @ D.T) @ z.T for z, K, D, T in pieces]
    assert gradient == pytest.approx(
        [np.sum(P * M) - dof / r2 * Py @ M @ Py for M in first], rel=1e-8, abs=1e-9
    )
    expected = np.zeros_like(found)
    for i, (z, K, D, _) in enumerate(pieces):
        for j, (other, _, E, _) in enumerate(pieces):
            qi, qj = first[i] @ Py, first[j] @ Py
            expected[i, j] = dof / r2 * (qi @ P @ qj) - dof / r2**2 * (qi @ Py) * (qj @ Py)
            if z is other:
                second = z @ np.kron(K, D @ E.T + E @ D.T) @ z.T
                expected[i, j] += np.sum(P * second) - dof / r2 * Py @ second @ Py
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("name", CASES)
def test_modes_and_their_variances(name: str) -> None:
    design, y, terms, priors = problem(name)
    theta = np.random.default_rng(3).normal(size=design.ntheta) * 0.3
    theta[design.coordinates.diagonal] = 0.8
    workspace = CoreWorkspace(design, y)
    workspace.value(theta)
    workspace.gradient()
    G = []
    for Q, T in zip(priors, factors(terms, theta), strict=True):
        G.append(np.linalg.inv(np.kron(Q, np.linalg.inv(T @ T.T))))
    Z = np.hstack([expanded(term) for term in terms])
    inverse = np.zeros((Z.shape[1], Z.shape[1]))
    at = 0
    for block in G:
        inverse[at : at + len(block), at : at + len(block)] = np.linalg.inv(block)
        at += len(block)
    C = np.block([[design.X.T @ design.X, design.X.T @ Z], [Z.T @ design.X, Z.T @ Z + inverse]])
    solution = np.linalg.solve(C, np.concatenate([design.X.T @ y, Z.T @ y]))
    found = workspace.solution()
    assert found.beta == pytest.approx(solution[: design.p], rel=1e-9)
    assert np.asarray(found.b) == pytest.approx(solution[design.p :], rel=1e-7, abs=1e-9)
    given_beta = np.linalg.inv(Z.T @ Z + inverse)
    blocks, at = [], 0
    for term in terms:
        k = term.z.shape[1]
        for _ in range(term.levels):
            blocks.append(given_beta[at : at + k, at : at + k].ravel())
            at += k
    condvar = np.concatenate([np.ravel(part) for part in workspace.condvar()])
    assert condvar == pytest.approx(np.concatenate(blocks), rel=1e-7, abs=1e-10)


def test_impossible_priors() -> None:
    refs = np.zeros(4, np.int32)
    z, X, one = np.ones((4, 1)), np.ones((4, 1)), np.ones((1, 1), bool)
    with pytest.raises(CoreError, match="3 levels"):
        CoreDesign([TermArrays(3, refs, z, one, lower(walk(4)))], X)
    not_whole = sparse.csc_array(np.tril(walk(3)) * np.array([1.0, 0.0, 1.0]))
    with pytest.raises(CoreError):
        CoreDesign([TermArrays(3, refs, z, one, not_whole)], X)
    indefinite = np.array([[1.0, 2.0], [2.0, 1.0]])
    design = CoreDesign([TermArrays(2, refs, z, one, lower(indefinite))], X)
    with pytest.raises(CoreError):
        CoreWorkspace(design, np.arange(4.0))
