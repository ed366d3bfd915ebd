"""Rows that may be correlated, gathered: components, and the patterns they repeat.

A component is a set of rows that are independent of all others: those of one subject, or of all
subjects that share a random effect. Components with the same places, columns of random effects
and dispersion have the same covariance matrix V: they are of one *pattern*, and V is factored
once for each pattern. A batch holds patterns with the same number of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .._typing import Array, Positions
from ..errors import OptionError
from ..frame.design import RandomBlock
from .cells import Cells

__all__ = ["Batch", "gather"]


# V and its derivatives are dense matrices of the order of a component.
LARGEST_COMPONENT = 2500
# Elements of the derivatives of V of one batch.
CHUNK = 4_000_000


@dataclass(frozen=True, eq=False)
class Batch:
    """P patterns of m rows each, which C components repeat.

    Parameters
    ----------
    rows : ndarray of int, shape (C, m)
        The rows of each component, pattern by pattern.
    counts : ndarray of int, shape (P,)
        Number of components of each pattern.
    place : ndarray of int, shape (P, m)
        See `Cells`.
    together : ndarray of bool, shape (P, m, m)
        Whether two rows are of one subject.
    u : ndarray, shape (P, m, d)
        What the dispersion depends on.
    z : tuple of ndarray, shape (P, m, k)
        Columns of the random effects of each block.
    shared : tuple of ndarray, shape (P, m, m)
        Whether two rows are of one level of each block; of related levels the element of Q^-1
        of the levels of two rows.
    """

    rows: Positions
    counts: Positions
    place: Positions
    together: NDArray[np.bool_]
    u: Array
    z: tuple[Array, ...]
    shared: tuple[NDArray[Any], ...]

    @property
    def pattern(self) -> Positions:
        """The pattern of each component, shape (C,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def gather(
    cells: Cells, blocks: tuple[RandomBlock, ...], z: tuple[Array, ...], parameters: int
) -> tuple[Batch, ...]:
    """Find components, patterns and batches.

    Parameters
    ----------
    cells : Cells
    blocks : tuple of RandomBlock
    z : tuple of ndarray, shape (n, k)
        Their columns, perhaps weighted.
    parameters : int
        Number of covariance parameters.

    Raises
    ------
    OptionError
        If a component has too many rows.
    """
    component = _components(cells, blocks)
    order = np.lexsort((cells.place, cells.subject, component))
    sizes = np.bincount(component)
    largest = int(sizes.max())
    if largest > LARGEST_COMPONENT:
        # V and its inverse, and for each parameter three products with its derivative.
        gigabytes = (6 + 3 * parameters) * 8 * largest**2 / 1e9
        raise OptionError(
            f"{largest} rows depend on one another, through subjects, random effects or related "
            f"levels, and their dense covariance matrix with its derivatives would take "
            f"{gigabytes:.2g} GB: residual=, dispersion= and Kenward and Roger's method for related"
            f" levels are for at most {LARGEST_COMPONENT} such rows. Take a grouping factor that "
            "parts them, or random effects of rows and times with independent residuals."
        )
    starts = np.cumsum(sizes) - sizes
    batches = []
    covariances = [_covariances(block) for block in blocks]
    for m in np.unique(sizes).tolist():
        first = starts[sizes == m]
        rows = order[first[:, None] + np.arange(m)]
        batches.extend(_patterns(rows, cells, covariances, z, parameters))
    return tuple(batches)


def _components(cells: Cells, blocks: tuple[RandomBlock, ...]) -> Positions:
    """Return the component of each row."""
    if not blocks:
        return cells.subject
    ends = np.cumsum([cells.n_subjects, *(len(block.levels) for block in blocks)])
    heads = [cells.subject] * len(blocks)
    tails = [block.refs + start for block, start in zip(blocks, ends[:-1], strict=True)]
    for block, start in zip(blocks, ends[:-1], strict=True):
        if block.related is not None:  # levels that the precision connects depend on one another
            lower = block.related.lower.tocoo()
            heads.append(lower.row.astype(np.intp) + start)
            tails.append(lower.col.astype(np.intp) + start)
    ones = np.ones(sum(map(len, heads)), np.int8)
    graph = sparse.coo_array(
        (ones, (np.concatenate(heads), np.concatenate(tails))), (ends[-1],) * 2
    )
    _, label = connected_components(graph.tocsr(), directed=False)
    return np.unique(label[cells.subject], return_inverse=True)[1].astype(np.intp)


def _local(codes: NDArray[Any]) -> Positions:
    """Return for each row the first row of its component with the same code, shape (C, m)."""
    return np.asarray((codes[:, :, None] == codes[:, None, :]).argmax(axis=2))


# The relationship of the levels of each two rows, a factor of their covariance: of rows (C, m),
# shape (C, m, m).
Shared = Callable[[Positions], NDArray[Any]]


def _covariances(block: RandomBlock) -> Shared:
    """Return the function of rows that gives the relationship of their levels."""
    if block.related is None:

        def same_level(rows: Positions) -> NDArray[np.bool_]:
            refs = block.refs[rows]
            return np.asarray(refs[:, :, None] == refs[:, None, :])

        return same_level
    present, position = np.unique(block.refs, return_inverse=True)
    covariances = block.related.among(present)

    def by_levels(rows: Positions) -> Array:
        out = np.empty((*rows.shape, rows.shape[1]))
        for one, own in zip(out, position[rows], strict=True):
            levels, where = np.unique(own, return_inverse=True)
            one[...] = covariances[levels][:, levels].toarray()[where][:, where]
        return out

    return by_levels


def _patterns(
    rows: Positions,
    cells: Cells,
    covariances: list[Shared],
    z: tuple[Array, ...],
    parameters: int,
) -> list[Batch]:
    """Return batches of components with the same number of rows."""
    n_rows, m = rows.shape
    u = np.empty((len(cells.place), 0)) if cells.dispersion is None else cells.dispersion.columns
    whose = _local(cells.subject[rows])
    shared = [covariance(rows) for covariance in covariances]
    features = [cells.place[rows][:, :, None], whose[:, :, None], u[rows]]
    for each in shared:  # independent levels are identified by their first row
        features.append(each.argmax(axis=2)[:, :, None] if each.dtype == np.bool_ else each)
    features += [each[rows] for each in z]
    table = np.concatenate([np.asarray(f, dtype=float) + 0.0 for f in features], axis=2)
    table = np.ascontiguousarray(table.reshape(n_rows, -1))
    keys = table.view(np.dtype((np.void, table.dtype.itemsize * table.shape[1]))).ravel()
    _, first, inverse, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    by_pattern = np.argsort(inverse, kind="stable")
    step = max(1, CHUNK // (m * m * max(parameters, 1)))
    ends = np.cumsum(counts)
    batches = []
    for start in range(0, len(first), step):
        some = slice(start, start + step)
        at = first[some]
        members = by_pattern[ends[start] - counts[start] : ends[min(start + step, len(first)) - 1]]
        batches.append(
            Batch(
                rows=rows[members],
                counts=counts[some],
                place=cells.place[rows[at]],
                together=whose[at][:, :, None] == whose[at][:, None, :],
                u=u[rows[at]],
                z=tuple(each[rows[at]] for each in z),
                shared=tuple(each[first[some]] for each in shared),
            )
        )
    return batches
