"""Traces with V^-1 for Kenward and Roger's method, in the space of the random effects.

Var(y) = sigma^2 V, with V = W^-1 + sum_e gamma_e G_e: one e for each free element (r, s) of
each Sigma_t = T_t T_t', and G_e = Z E_e Z', where E_e repeats e_r e_s' + e_s e_r' (e_r e_r' on
the diagonal) for every level. With H = Z'V^-1 X and S = Z'V^-1 Z,

    X'V^-1 G_e V^-1 X = H'E_e H             X'V^-1 G_e V^-1 G_f V^-1 X = H'E_e S E_f H
    tr(V^-1 G_e) = tr(S E_e)                tr(V^-1 G_e V^-1 G_f) = tr(S E_e S E_f).

The first block is the *head*, the others are the *tail*. The head alone makes a V_1 whose
D = Z_0'V_1^-1 Z_0 is block diagonal; with N_0 = Z_0'V_1^-1 Z_2, N = Z_2'V_1^-1 Z_2 and
B = Lambda_2 (I + Lambda_2'N Lambda_2)^-1 Lambda_2' the tail is added to it:

    S_22 = N G,    S_02 = N_0 G,    S_00 = D - N_0 B N_0',    G = I - B N.

Only tail x tail matrices are dense, and those only within one *bundle* of levels that have
rows in common with one another: S is zero between bundles, and all sums run over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components

from .._typing import Array, Positions
from ..errors import OptionError
from ..fitting.covariance import CovarianceElement, elements_of
from ..fitting.inner_products import sparse_columns
from ..frame.design import Design

__all__ = ["Traces", "traces"]


# Largest number of random effects, other than those of the first block, that may depend on
# one another, times the columns of the first block: about eight matrices of this order are
# in memory.
LARGEST_TAIL = 4000
# What is gathered in one bundle: tail columns and head levels.
BUNDLE_TAIL = 128
BUNDLE_HEAD = 20_000
# Elements of a temporary array.
CHUNK = 4_000_000


@dataclass(frozen=True)
class Traces:
    """Sums over all random effects, for m elements of Sigma and r columns of X.

    Parameters
    ----------
    elements : list of CovarianceElement, length m
    xvx : ndarray, shape (r, r)
        X'V^-1 X.
    first : ndarray, shape (m, r, r)
        X'V^-1 G_e V^-1 X.
    second : ndarray, shape (m, m, r, r)
        X'V^-1 G_e V^-1 G_f V^-1 X.
    single : ndarray, shape (m,)
        tr(V^-1 G_e).
    double : ndarray, shape (m, m)
        tr(V^-1 G_e V^-1 G_f).
    """

    elements: list[CovarianceElement]
    xvx: Array
    first: Array
    second: Array
    single: Array
    double: Array

    def in_others(self, slopes: Array) -> Traces:
        """Return the sums for other parameters; slopes[i, e] is the derivative of e in the i-th."""
        return replace(
            self,
            first=np.einsum("me,eij->mij", slopes, self.first),
            second=np.einsum("me,nf,efij->mnij", slopes, slopes, self.second, optimize=True),
            single=slopes @ self.single,
            double=slopes @ self.double @ slopes.T,
        )


def traces(design: Design, X: Array, factors: tuple[Array, ...]) -> Traces:
    """Compute the traces of a linear mixed model.

    Parameters
    ----------
    design : Design
        Only its random effects and weights are used.
    X : ndarray, shape (n, r)
        Independent fixed-effects columns.
    factors : tuple of ndarray, shape (k, k)
        T of each block.

    Returns
    -------
    Traces

    Raises
    ------
    OptionError
        If too many random effects outside the first block depend on one another.
    """
    elements = elements_of([block.pattern for block in design.blocks])
    m, r = len(elements), X.shape[1]
    head = _Head(design, X, factors[0])
    xvx = head.xvx
    first, second = np.zeros((m, r, r)), np.zeros((m * r, m * r))
    single, double = np.zeros(m), np.zeros((m, m))
    lam = _block_diagonal(
        [np.broadcast_to(T, (len(block.levels), *T.shape))
         for block, T in zip(design.blocks[1:], factors[1:], strict=True)]
    )  # fmt: skip
    for levels, columns, sizes in _bundles(design):
        part = _Bundle(head, levels, columns, sizes, lam[columns][:, columns])
        xvx = xvx - part.tail_xvx
        H = part.H
        EH = [part.times(element, H) for element in elements]
        stacked = np.hstack(EH)
        first += np.array([H.T @ each for each in EH])
        second += stacked.T @ part.S(stacked)
        single += part.single(elements)
        double += part.double(elements)
    second = second.reshape(m, r, m, r).transpose(0, 2, 1, 3)
    return Traces(elements, xvx, first, second, single, double)


def _block_diagonal(blocks: list[Array]) -> sparse.csr_array:
    """Return the sparse matrix with dense blocks, each array (l, k, k), on its diagonal."""
    if not blocks:
        return sparse.csr_array((0, 0))
    parts = [
        sparse.bsr_array((np.ascontiguousarray(b), np.arange(len(b)), np.arange(len(b) + 1)))
        for b in blocks
    ]
    return sparse.block_diag(parts, format="csr")


def _bundles(design: Design) -> Iterator[tuple[Positions, Positions, list[int]]]:
    """Yield head levels, tail columns and the number of levels of each tail block."""
    head, tail = design.blocks[0], design.blocks[1:]
    counts = [len(block.levels) for block in design.blocks]
    starts = np.cumsum([0, *counts])
    links = [(head.refs, block.refs + at) for block, at in zip(tail, starts[1:], strict=False)]
    rows = np.concatenate([a for a, _ in links]) if links else np.empty(0, int)
    cols = np.concatenate([b for _, b in links]) if links else np.empty(0, int)
    graph = sparse.coo_array((np.ones(len(rows), np.int8), (rows, cols)), (starts[-1],) * 2)
    _, component = connected_components(graph.tocsr(), directed=False)
    widths = np.repeat([len(block.names) for block in design.blocks], counts)
    widths[: counts[0]] = 0
    tails = np.bincount(component, widths).astype(int)
    most = LARGEST_TAIL // len(head.names)
    if tails.max() > most:
        names = ", ".join(repr(block.name) for block in tail)
        raise OptionError(
            f"{tails.max()} random effects of {names} depend on one another, too many for "
            f"Kenward and Roger's method (at most {most}); use dof='satterthwaite'."
        )
    heads = np.bincount(component[: counts[0]], minlength=len(tails))
    # A bundle ends where the running total passes a multiple of what it may hold.
    passed = [(np.cumsum(tails) - tails) // BUNDLE_TAIL, (np.cumsum(heads) - heads) // BUNDLE_HEAD]
    new = np.any(np.diff(passed, axis=1) != 0, axis=0)
    bundle = np.concatenate([[0], np.cumsum(new)])[component]
    members = np.argsort(bundle, kind="stable")
    ends = np.searchsorted(bundle[members], np.arange(bundle.max() + 2))
    column_at = np.cumsum(widths) - widths
    for start, stop in pairwise(ends):
        nodes = members[start:stop]
        inside = nodes >= counts[0]
        cut = np.searchsorted(nodes[inside], starts[1:])
        tail_nodes = nodes[inside]
        k = widths[tail_nodes]
        offsets = np.arange(k.sum()) - np.repeat(np.cumsum(k) - k, k)
        columns = np.repeat(column_at[tail_nodes], k) + offsets
        yield nodes[~inside], columns, np.diff(cut).tolist()


class _Head:
    """The model with the first block alone, and the rest of Z and X in its metric."""

    def __init__(self, design: Design, X: Array, T: Array) -> None:
        block, k = design.blocks[0], len(design.blocks[0].names)
        n, count = len(block.z), len(block.levels)
        weights = np.ones(n) if design.weights is None else design.weights
        zw = block.z * weights[:, None]
        A = np.empty((count, k, k))
        for r in range(k):
            for s in range(r + 1):
                A[:, r, s] = A[:, s, r] = np.bincount(block.refs, zw[:, r] * block.z[:, s], count)
        half = np.linalg.solve(np.eye(k) + T.T @ A @ T, np.broadcast_to(T.T, A.shape))
        C = T @ half  # T Omega^-1 T'
        F = np.eye(k) - A @ C
        self.widths = [len(other.names) for other in design.blocks]
        self.D = F @ A
        self.D = (self.D + self.D.transpose(0, 2, 1)) / 2
        WX = X * weights[:, None]
        Z0 = sparse_columns(block)
        X0 = (Z0.T @ WX).reshape(count, k, -1)
        self.H0 = F @ X0
        CX0 = C @ X0
        self.xvx = X.T @ WX - np.einsum("lkr,lks->rs", X0, CX0)
        if design.blocks[1:]:
            Z2 = sparse.hstack([sparse_columns(other) for other in design.blocks[1:]], format="csr")
            WZ2 = (sparse.diags_array(weights) @ Z2).tocsr()
            A02 = (Z0.T @ WZ2).tocsr()
            self.N0 = (_block_diagonal([F]) @ A02).tocsr()
            self.N = (Z2.T @ WZ2 - A02.T @ (_block_diagonal([C]) @ A02)).tocsr()
            self.H2 = Z2.T @ WX - A02.T @ CX0.reshape(count * k, -1)
        else:
            self.N0 = sparse.csr_array((count * k, 0))
            self.N, self.H2 = sparse.csr_array((0, 0)), np.empty((0, X.shape[1]))


class _Bundle:
    """Levels with their part of S; vectors have the head's rows first, then the tail's."""

    def __init__(
        self, head: _Head, levels: Positions, columns: Positions, sizes: list[int], lam: Any
    ) -> None:
        self.sizes = [len(levels), *sizes]
        self.widths = head.widths
        self.ends = np.cumsum([0, *np.multiply(self.sizes, self.widths)])
        k = self.widths[0]
        rows = (levels[:, None] * k + np.arange(k)).ravel()
        self.N0 = head.N0[rows][:, columns]
        N = head.N[columns][:, columns].toarray()
        omega = lam.T @ (lam.T @ N).T
        omega[np.diag_indices_from(omega)] += 1.0
        self.B = lam @ linalg.solve(omega, lam.T.toarray(), assume_a="pos") if len(columns) else N
        self.G = np.eye(len(columns)) - self.B @ N
        self.S22 = N @ self.G
        H2 = head.H2[columns]
        BH2 = self.B @ H2
        self.tail_xvx = H2.T @ BH2
        self.H = np.vstack([head.H0[levels].reshape(len(rows), -1) - self.N0 @ BH2, self.G.T @ H2])
        self.D = head.D[levels]
        self.R = self._tail_part()
        self.M = [[(self.N0[r::k].T @ self.N0[s::k]).toarray() for s in range(k)] for r in range(k)]

    def _tail_part(self) -> Array:
        """Return the diagonal blocks of N_0 B N_0', shape (l, k, k)."""
        k, out = self.widths[0], np.zeros_like(self.D)
        if not self.N0.shape[1]:
            return out
        step = max(1, CHUNK // (k * self.N0.shape[1]))
        for start in range(0, len(out), step):
            N0 = self.N0[start * k : (start + step) * k]
            NB = (N0 @ self.B).reshape(-1, k, N0.shape[1])
            dense = N0.toarray().reshape(NB.shape)
            out[start : start + step] = NB @ dense.transpose(0, 2, 1)
        return out

    def _of_block(self, values: Array, block: int) -> Array:
        """Return the rows of one block as (levels, columns, ...); a view."""
        rows = values[self.ends[block] : self.ends[block + 1]]
        return rows.reshape(self.sizes[block], self.widths[block], *values.shape[1:])

    def times(self, element: CovarianceElement, values: Array) -> Array:
        """Return E_e times an array, shape (rows, c)."""
        out = np.zeros_like(values)
        into, taken = self._of_block(out, element.block), self._of_block(values, element.block)
        for row, column in element.places:
            into[:, row] += taken[:, column]
        return out

    def S(self, values: Array) -> Array:
        """Return S times an array, shape (rows, c)."""
        top, low = values[: self.ends[1]], values[self.ends[1] :]
        through = self.N0.T @ top
        own = (self.D @ self._of_block(values, 0)).reshape(top.shape)
        return np.vstack(
            [own + self.N0 @ (self.G @ low - self.B @ through), self.S22 @ low + self.G.T @ through]
        )

    def single(self, elements: list[CovarianceElement]) -> Array:
        """Return tr(S E_e) of every element."""
        sums = [np.sum(self.D - self.R, axis=0)]
        for block in range(1, len(self.sizes)):
            at = np.arange(self.ends[block], self.ends[block + 1]) - self.ends[1]
            at = at.reshape(self.sizes[block], self.widths[block])
            sums.append(np.sum(self.S22[at[:, :, None], at[:, None, :]], axis=0))
        return np.array([sum(sums[e.block][place] for place in e.places) for e in elements])

    def double(self, elements: list[CovarianceElement]) -> Array:
        """Return tr(S E_e S E_f) of every pair of elements."""
        blocks = range(len(self.sizes))
        products = {(b, c): self._products(b, c) for c in blocks for b in blocks if b <= c}
        out = np.empty((len(elements), len(elements)))
        for i, e in enumerate(elements):
            for j, f in enumerate(elements[i:], start=i):
                T = products[e.block, f.block]
                out[i, j] = out[j, i] = sum(T[s, u, r, v] for r, s in e.places for u, v in f.places)
        return out

    def _products(self, b: int, c: int) -> Array:
        """Return T[s, u, r, v] = sum over levels i, j of S[is, ju] S[ir, jv], blocks b <= c."""
        k, w = self.widths[b], self.widths[c]
        if b > 0:
            rows, columns = (slice(*(self.ends[x : x + 2] - self.ends[1])) for x in (b, c))
            part = self.S22[rows, columns].reshape(self.sizes[b], k, self.sizes[c], w)
            flat = part.transpose(1, 3, 0, 2).reshape(k * w, -1)
            return np.asarray(flat @ flat.T).reshape(k, w, k, w)
        out = np.empty((k, w, k, w))
        if c > 0:
            at = slice(*(self.ends[c : c + 2] - self.ends[1]))
            G = self.G[:, at]
            left = G.reshape(-1, w)
            for s in range(k):
                for r in range(k):
                    out[s, :, r, :] = left.T @ (self.M[s][r] @ G).reshape(-1, w)
            return out
        S = self.D - self.R
        out[...] = np.einsum("isu,irv->surv", S, S) - np.einsum("isu,irv->surv", self.R, self.R)
        MB = [[M @ self.B for M in row] for row in self.M]
        for s, u, r, v in np.ndindex(k, k, k, k):
            out[s, u, r, v] += np.sum(MB[r][s] * MB[u][v].T)
        return out
