"""a_i = z_i'Lambda Omega^-1 Lambda'z_i of every row, from the probes of log|Omega|.

With F = Omega_11^-1 Omega_12 and g_i = [-F; I]'Lambda'z_i,

    a_i = z_i1'Lambda_1 Omega_11^-1 Lambda_1'z_i1 + g_i'S^-1 g_i,     S^-1 = D^-1 + E[x y'],

where D is the diagonal of S and x, y are those of `stochastic_trace`. Only g_i'x y'g_i is random.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..._typing import Array
from .schur_complement import SchurComplement
from .trace import TraceEstimates, head_grams

__all__ = ["RowVariances", "row_variances"]


# Rows that are worked on together.
MANY_ROWS = 1 << 15


@dataclass(frozen=True)
class RowVariances:
    """Estimates of a_i.

    Parameters
    ----------
    schur : SchurComplement
    known : ndarray, shape (n,)
    left, right : ndarray, shape (q, probes)
        Z times one and Z times the other, multiplied, is what probes add.
    """

    schur: SchurComplement
    known: Array
    left: Array
    right: Array

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield rows, and what every probe adds to `known` there, (rows, probes)."""
        pattern = self.schur.products.pattern
        for start in range(0, len(self.known), MANY_ROWS):
            part = slice(start, start + MANY_ROWS)
            yield part, pattern.rows(self.left, part) * pattern.rows(self.right, part)

    def mean(self) -> Array:
        """Return the estimate by all probes, (n,)."""
        out = self.known.copy()
        for part, added in self.parts():
            out[part] += added.mean(axis=1)
        return out


def row_variances(schur: SchurComplement, traces: TraceEstimates) -> RowVariances:
    """Estimate the variances of Z Lambda u given the response, for unit scale, of every row.

    Parameters
    ----------
    schur : SchurComplement
    traces : TraceEstimates
        Those of the same Omega.
    """
    left, right = (
        schur.apply_lambda(np.concatenate([-schur.eliminated(tail), tail])) for tail in traces.pair
    )
    return RowVariances(schur, _known(schur), left, right)


def _known(schur: SchurComplement) -> Array:
    """Return a_i with D in place of S, (n,)."""
    pattern, inverse, T = schur.products.pattern, schur.inverse, schur.factors
    transposed = np.swapaxes(inverse, 1, 2)
    head = T[0] @ (transposed @ (np.eye(len(T[0])) + head_grams(schur)) @ inverse) @ T[0].T
    out = _quadratic(pattern.z[0], head[pattern.refs[0]], pattern.z[0])
    diagonals = schur.tail_diagonals()
    for t, d in enumerate(diagonals, start=1):
        own = (T[t] / d[:, None, :]) @ T[t].T
        out += _quadratic(pattern.z[t], own[pattern.refs[t]], pattern.z[t])
    first = [each for each in pattern.crossings if each.earlier == 0]
    for crossing, blocks in zip(first, schur.blocks, strict=True):
        t = crossing.later
        scaled = T[t] @ (blocks / diagonals[t - 1][crossing.later_levels()][:, :, None])
        between = scaled @ inverse[crossing.levels] @ T[0].T
        out -= 2.0 * _quadratic(pattern.z[t], between[crossing.pair_of], pattern.z[0])
    return out


def _quadratic(left: Array, matrices: Array, right: Array) -> Array:
    """Return left_i'M_i right_i, (n,)."""
    return np.asarray(np.einsum("ia,iab,ib->i", left, matrices, right))
