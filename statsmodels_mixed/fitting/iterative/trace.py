"""log|Omega| and diagonal blocks of its inverse, from random probes.

With D = diag(S), a probe z of signs, and x = S^-1 D^(1/2) z from conjugate gradients, whose
coefficients make a tridiagonal matrix with eigenvalues lambda and first components tau of its
eigenvectors,

    log|S| = log|D| + E[q sum tau^2 log lambda],       (S^-1)_jj = E[x_j (D^-1/2 z)_j'],

(Ubaru, Chen and Saad 2017). E = D^-1/2 S D^-1/2 - I is small where levels are well mixed, and what
is linear in it is known: tr E = 0. It is subtracted as a control variate. So is, once at the end,
the quadratic part, tr E^2 = |E|_F^2, where the product B B' is sparse enough to be formed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import eigh_tridiagonal

from ..._typing import Array
from .schur_complement import OF_PROBES, Gradients, SchurComplement

__all__ = ["TraceEstimates", "estimated_traces", "head_grams", "quadratic_control", "signs"]


# Nonzero elements of a product of sparse matrices that are worth forming.
LARGEST_PRODUCT = 30_000_000


class TraceEstimates(NamedTuple):
    """Estimates, one for each probe.

    Parameters
    ----------
    logdet : ndarray, shape (probes,)
        log|Omega|.
    squares : ndarray, shape (probes,)
        z'E^2 z, whose mean is |E|_F^2.
    blocks : list of ndarray, shape (probes, k, k)
        For each term, the sum over levels of the diagonal blocks of Omega^-1.
    pair : tuple of ndarray, shape (q2, probes)
        What these came from: columns x and y such that the mean of x y' is S^-1 - D^-1.
    """

    logdet: Array
    squares: Array
    blocks: list[Array]
    pair: tuple[Array, Array]


def signs(seed: int, size: int, probes: int) -> Array:
    """Return probes of independent random signs, (size, probes), the same for the same seed."""
    rng = np.random.default_rng(seed)
    return np.asarray(2.0 * rng.integers(0, 2, size=(size, probes)) - 1.0, dtype=float)


def _log_quadratures(run: Gradients, size: int) -> Array:
    """Return z'log(D^-1/2 S D^-1/2)z of every probe by Gauss quadrature (Golub and Meurant)."""
    out = np.empty(run.alpha.shape[1])
    for column in range(len(out)):
        count = int(np.isfinite(run.alpha[:, column]).sum())
        alpha, beta = run.alpha[:count, column], run.beta[:count, column]
        main = 1.0 / alpha
        main[1:] += beta[:-1] / alpha[:-1]
        beside = np.sqrt(beta[:-1]) / alpha[:-1]
        values, vectors = eigh_tridiagonal(main, beside)
        out[column] = size * np.sum(vectors[0] ** 2 * np.log(np.maximum(values, 1e-300)))
    return out


def quadratic_control(schur: SchurComplement, estimates: TraceEstimates) -> Array:
    """Return what takes the quadratic part of the error out of log|Omega|, (probes,); or zeros.

    Parameters
    ----------
    schur : SchurComplement
    estimates : TraceEstimates
        Those of the same Omega.
    """
    per_level = np.diff(schur.Bt.indptr).astype(float)
    if np.sum(per_level**2) > LARGEST_PRODUCT:
        return np.zeros_like(estimates.squares)
    scale = sparse.diags_array(1.0 / np.sqrt(schur.diagonal))
    B, others = scale @ schur.B, (scale @ schur.others @ scale).tocsr()
    G = (B @ B.T).tocsr()
    # |others - G|_F^2 less its diagonal of ones.
    squares = np.sum(G.data**2) + np.sum(others.data**2) - 2.0 * others.multiply(G).sum()
    return np.asarray(0.5 * (estimates.squares - (squares - len(schur.diagonal))))


def _within_levels(schur: SchurComplement, start: int, levels: int, k: int) -> Array:
    """Return the sum over levels of D^-1 S_jj D^-1 without the diagonal, (k, k), of one term."""
    out = np.zeros((k, k))
    rows = start + np.arange(levels) * k
    for r in range(k):
        for c in range(r):
            a, b = rows + r, rows + c
            product = np.asarray(schur.B[a].multiply(schur.B[b]).sum(axis=1)).ravel()
            own = np.asarray(schur.others[a, b]).ravel() - product
            out[r, c] = out[c, r] = np.sum(own / (schur.diagonal[a] * schur.diagonal[b]))
    return out


def estimated_traces(schur: SchurComplement, z: Array) -> TraceEstimates:
    """Estimate what the objective and its gradient need of Omega^-1.

    Parameters
    ----------
    schur : SchurComplement
    z : ndarray, shape (q2, probes)
        Signs; see `signs`.

    Returns
    -------
    TraceEstimates
    """
    products, d = schur.products, schur.diagonal
    root = np.sqrt(d)[:, None]
    scaled = z / root
    run = schur.conjugate_gradients(root * z, OF_PROBES)
    Ez = schur.multiply(scaled) / root - z

    logdet = _log_quadratures(run, len(d)) + np.log(d).sum() - np.einsum("ij,ij->j", z, Ez)
    squares = np.einsum("ij,ij->j", Ez, Ez)
    k = products.shapes[0][1]
    diagonals = np.diagonal(schur.root, axis1=1, axis2=2)
    logdet += 2.0 * np.log(diagonals).sum()

    # The first term: Omega_11^-1 + F S^-1 F' with F = Omega_11^-1 Omega_12.
    known = np.einsum("jer,jec->rc", schur.inverse, schur.inverse)
    known = known + _first_order(schur)
    more = schur.eliminated(run.x - scaled), schur.eliminated(scaled)
    blocks = [known + _products(*more, k)]

    # The others: D^-1 and the part of first order are known.
    rest, at = run.x - scaled + Ez / root, 0
    for levels, size in products.shapes[1:]:
        part = slice(at, at + levels * size)
        known = np.diag((1.0 / d[part]).reshape(levels, size).sum(axis=0))
        known = known - _within_levels(schur, at, levels, size)
        blocks.append(known + _products(rest[part], scaled[part], size))
        at += levels * size
    return TraceEstimates(logdet, squares, blocks, (run.x - scaled, scaled))


def _products(x: Array, z: Array, k: int) -> Array:
    """Return the sum over levels of x_j z_j', symmetric, for every probe, (probes, k, k)."""
    probes = x.shape[1]
    sums = np.einsum("jrm,jcm->mrc", x.reshape(-1, k, probes), z.reshape(-1, k, probes))
    return np.asarray(0.5 * (sums + np.swapaxes(sums, 1, 2)))


def head_grams(schur: SchurComplement) -> Array:
    """Return B_j'D^-1 B_j for each level of the first term, (l, k, k)."""
    levels, k = schur.products.shapes[0]
    out = np.zeros((levels, k, k))
    first = [each for each in schur.products.pattern.crossings if each.earlier == 0]
    for crossing, blocks, d in zip(first, schur.blocks, schur.tail_diagonals(), strict=True):
        weighted = blocks / d[crossing.later_levels()][:, :, None]
        for r in range(k):
            for c in range(r + 1):
                part = np.einsum("je,je->j", weighted[:, :, r], blocks[:, :, c])
                out[:, r, c] += np.bincount(crossing.levels, part, minlength=levels)
                out[:, c, r] = out[:, r, c]
    return out


def _first_order(schur: SchurComplement) -> Array:
    """Return the sum over levels of the first term of F_j D^-1 F_j', (k, k)."""
    gram, inverse = head_grams(schur), schur.inverse
    return np.asarray(np.einsum("jar,jab,jbc->rc", inverse, gram, inverse))
