"""Parameters of rows besides their mean: dispersion, shape, zeros, thresholds.

Each is linear in coefficients of its own, psi_j = constant_j + X_j kappa, with one vector kappa
for all (``csrc/src/generalized/sides.c``). The four places are those of
``csrc/src/families/density.c``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...errors import OptionError
from ..fixed_effects.basis import orthonormal_basis

__all__ = [
    "Piece",
    "RowParameters",
    "assemble",
    "read_piece",
    "threshold_matrix",
    "thresholds",
]


DISPERSION, SHAPE, SECOND_SHAPE, ZEROS = range(4)


@dataclass(frozen=True)
class Piece:
    """One parameter of the rows as a linear function.

    Parameters
    ----------
    place : int
    X : ndarray, shape (n, k)
    names : tuple of str, length k
    start : float
        Value of the parameter to begin with, the same for all rows.
    sign : float
        -1 where what users see is minus the parameter of the density.
    """

    place: int
    X: Array
    names: tuple[str, ...]
    start: float
    sign: float = 1.0


@dataclass(frozen=True)
class RowParameters:
    """All of them, in a basis of orthogonal columns for each.

    Parameters
    ----------
    n : int
        Rows.
    X : tuple of ndarray, shape (n, K), or None
        By place.
    constant : ndarray, shape (4,)
    start : ndarray, shape (K,)
        kappa to begin with.
    names : tuple of str, length K
    back : ndarray, shape (K, K)
        The user's coefficients are ``back @ kappa``.
    zeros : str
    """

    n: int
    X: tuple[Array | None, ...]
    constant: Array
    start: Array
    names: tuple[str, ...]
    back: Array
    zeros: str = ""

    def values(self, kappa: Array) -> Array:
        """Return the parameters of the rows, shape (n, 4)."""
        out = np.tile(self.constant, (self.n, 1))
        for j, x in enumerate(self.X):
            if x is not None:
                out[:, j] += np.where(np.isinf(x), 0.0, x) @ kappa
                out[np.isinf(x).any(axis=1), j] = np.inf
        return out

    def alone(self, place: int) -> int | None:
        """Return which element of kappa is a parameter that all rows share, if there is one."""
        X = self.X[place]
        if X is None:
            return None
        own = np.flatnonzero(X.any(axis=0))
        if len(own) != 1 or not np.allclose(X[:, own[0]], X[0, own[0]], rtol=0.0, atol=1e-9):
            return None
        return int(own[0])

    def of(self, kept: NDArray[np.intp]) -> RowParameters:
        """Return the parameters of some rows."""
        X = tuple(None if x is None else np.ascontiguousarray(x[kept]) for x in self.X)
        return replace(self, n=len(kept), X=X)


def read_piece(place: int, X: Array, names: tuple[str, ...], what: str, start: float) -> Piece:
    """Make a piece of a matrix that a formula gave.

    Raises
    ------
    OptionError
        If columns depend linearly on others, or are as many as rows.
    """
    independent = orthonormal_basis(X, None).columns
    if len(independent) < X.shape[1]:
        lost = [name for i, name in enumerate(names) if i not in set(independent)]
        raise OptionError(
            f"{what}= is not identified: {', '.join(lost)} depends linearly on its other columns; "
            "leave terms out."
        )
    if X.shape[1] >= len(X):
        raise OptionError(
            f"{what}= is not identified: it has {X.shape[1]} coefficients for {len(X)} rows; leave "
            "terms out."
        )
    return Piece(place, X, names, start)


def assemble(n: int, pieces: list[Piece], constant: Array, zeros: str) -> RowParameters:
    """Put pieces side by side, each in a basis with columns of unit mean square."""
    K = sum(piece.X.shape[1] for piece in pieces)
    X: list[Array | None] = [None] * 4
    start, back, at = np.zeros(K), np.zeros((K, K)), 0
    names: list[str] = []
    for piece in pieces:
        k, basis = piece.X.shape[1], orthonormal_basis(piece.X, None)
        Q = basis.Q * np.sqrt(n)
        whole = np.zeros((n, K))
        whole[:, at : at + k] = Q
        X[piece.place] = whole
        start[at : at + k] = Q.T @ np.full(n, piece.start) / n
        inverse = np.linalg.inv(basis.R / np.sqrt(n))
        back[at : at + k, at : at + k] = piece.sign * inverse
        names += piece.names
        at += k
    return RowParameters(n, tuple(X), constant, start, tuple(names), back, zeros)


def threshold_matrix(labels: tuple[object, ...], kind: str) -> tuple[Array, list[str]]:
    """Return the thresholds as linear functions of their parameters, and the names of these."""
    m = len(labels) - 1
    if kind == "flexible":
        J, names = np.eye(m), [f"{labels[i]}|{labels[i + 1]}" for i in range(m)]
    elif kind == "equidistant":
        J = np.column_stack([np.ones(m), np.arange(m)])
        names = ["threshold.1", "spacing"]
    elif m % 2:
        half = m // 2
        spacing = np.vstack([-np.eye(half)[::-1], np.zeros((1, half)), np.eye(half)])
        J = np.column_stack([np.ones(m), spacing])
        names = ["central", *(f"spacing.{i + 1}" for i in range(half))]
    else:
        half = m // 2 - 1
        side = np.eye(half + 1, half, k=-1)
        spacing = np.vstack([-side[::-1], side])
        low = np.repeat([1.0, 0.0], m // 2)
        J = np.column_stack([low, 1.0 - low, spacing])
        names = ["central.1", "central.2", *(f"spacing.{i + 1}" for i in range(half))]
    return J, names


def thresholds(
    codes: Array,
    labels: tuple[object, ...],
    kind: str,
    start: Array,
    effects: tuple[Array, tuple[str, ...]] | None = None,
) -> RowParameters:
    """Return the thresholds between ordered categories.

    Parameters
    ----------
    codes : ndarray, shape (n,)
        0, 1, ...
    labels : tuple
        Of the categories.
    kind : {"flexible", "symmetric", "equidistant"}
    start : ndarray, shape (categories - 1,)
        Increasing thresholds to begin with.
    effects : tuple of ndarray, shape (n, c), and of c names, optional
        Columns beside the constant that every parameter of the thresholds depends on linearly.
    """
    J, names = threshold_matrix(labels, kind)
    n, K, whole = len(codes), J.shape[1], codes.astype(int)
    W, more = (np.ones((n, 0)), ()) if effects is None else effects
    basis = orthonormal_basis(np.column_stack([np.ones(n), W]), None)
    Q, R = basis.Q * np.sqrt(n), basis.R / np.sqrt(n)
    upper = _by_row(Q, J[np.minimum(whole, len(J) - 1)])
    upper[whole == len(J)] = np.inf
    lower = np.where((whole > 0)[:, None], _by_row(Q, J[np.maximum(whole - 1, 0)]), 0.0)
    same: Array = np.asarray(np.linalg.lstsq(J, start, rcond=None)[0], dtype=float)
    kappa: Array = np.asarray(np.kron(Q.mean(axis=0), same), dtype=float)
    back: Array = np.asarray(np.kron(np.linalg.inv(R), np.eye(K)), dtype=float)
    names += [f"nominal: {name} {column}" for column in more for name in names]
    return RowParameters(n, (upper, lower, None, None), np.zeros(4), kappa, tuple(names), back)


def _by_row(Q: Array, J: Array) -> Array:
    """Return the Kronecker product of every row of two matrices, shape (n, c K)."""
    return np.asarray((Q[:, :, None] * J[:, None, :]).reshape(len(Q), -1))
