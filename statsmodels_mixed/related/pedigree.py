"""Pedigrees: the inverse of the additive relationship matrix by Henderson's rules.

With the animals in an order of generations and M = I - (S + D) / 2, where S and D are the
indicators of sire and dam, breeding values satisfy M u = m with independent Mendelian sampling
terms of variance d_i = 1/2 - (F_s + F_d) / 4, in which F = -1 for an unknown parent. So

    A^-1 = M' diag(1 / d) M       and      A = M^-1 diag(d) M^-T.

Inbreeding F_i = A_sd / 2 of one generation follows from d of those before: W = M^-1, whose row of
an animal is the mean of its parents' rows but for its own 1, is made by strips of columns, and

    A_sd = sum_k W_sk d_k W_dk.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from .._typing import Array, Positions
from ..errors import DataError
from .levels import RelatedLevels

__all__ = ["read_pedigree", "relatives"]


COLUMNS = ("animal", "sire", "dam")
# Parents that are not known, besides missing values.
UNKNOWN = (0, "0", "")
# Mendelian sampling variances that are rounding errors.
NO_VARIANCE = 1e-10
# Numbers in the largest temporary array, and the most columns of it.
ROOM, STRIP = 8_000_000, 64


def read_pedigree(table: Any, name: str) -> RelatedLevels:
    """Make the inverse relationship matrix of a pedigree.

    Parameters
    ----------
    table : DataFrame
        With columns animal, sire and dam, or three columns in this order. Unknown parents are
        missing or 0; parents that have no row of their own are founders.
    name : str
        The grouping factor, for messages.

    Raises
    ------
    DataError
        If there are not three columns, an animal has two rows, is its own ancestor, or has parents
        that are fully inbred.
    """
    labels, parents = _parents(_three_columns(table, name), name)
    generation = _generations(parents, labels, name)
    order = np.argsort(generation, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sorted_parents = np.where(parents[order] < 0, -1, place[parents[order]])
    F = relatives(sorted_parents, generation[order])
    variance = _sampling_variance(sorted_parents, F)
    if not variance.min() > NO_VARIANCE:
        label = labels[order[int(np.argmin(variance))]]
        raise DataError(
            f"the parents of the animal {label} in the pedigree of {name!r} are fully inbred, so "
            "that it is a copy of all its siblings: make such a line one animal."
        )
    Q = _inverse(sorted_parents, variance)
    # Back to the order of the table.
    Q = Q[place][:, place]
    # M has ones on its diagonal, so |A^-1| is the product of 1 / d.
    log_determinant = -float(np.sum(np.log(variance)))
    related = RelatedLevels.of_lower(labels, sparse.tril(Q), "pedigree")
    covariance = _covariances(related, parents, F[place])
    return replace(related, log_determinant=log_determinant, covariance=covariance)


def relatives(parents: Positions, generation: Positions) -> Array:
    """Return the inbreeding coefficients of animals.

    Parameters
    ----------
    parents : ndarray of int, shape (n, 2)
        Positions of sire and dam, -1 if unknown; parents come before their progeny.
    generation : ndarray of int, shape (n,)
        Ascending; parents are of earlier generations.

    Returns
    -------
    ndarray, shape (n,)
    """
    n = len(parents)
    F, d = np.zeros(n), np.ones(n)
    # Only parents are ancestors: no other animal has a column of W, nor a row that is asked for.
    of_parent = np.unique(parents[parents >= 0])
    m = len(of_parent)
    row = np.full(n + 1, m)  # the row of an unknown parent, of which W has zeros, is the last
    row[of_parent] = np.arange(m)
    rows = row[parents]
    starts = np.flatnonzero(np.diff(generation, prepend=-1))
    stops = np.append(starts[1:], n)
    lows, highs = np.searchsorted(of_parent, starts), np.searchsorted(of_parent, stops)
    width = max(1, min(STRIP, ROOM // (n + 1)))
    for first in range(0, m, width):
        last = min(first + width, m)
        W = np.zeros((m + 1, last - first))
        begin = int(np.searchsorted(highs, first, side="right"))
        for g in range(begin, len(starts)):
            these, low, high = slice(starts[g], stops[g]), int(lows[g]), int(highs[g])
            of_sires, of_dams = W[rows[these, 0]], W[rows[these, 1]]
            # Of animals in the strip that are not earlier than these, parents have no share.
            weighted = of_sires * d[of_parent[first:last]]
            F[these] += np.einsum("ij,ij->i", weighted, of_dams) / 2.0
            if low <= last:
                d[these] = _sampling_variance(parents[these], F)
            own = of_parent[low:high] - starts[g]
            W[low:high] = (of_sires[own] + of_dams[own]) / 2.0
            own = np.arange(max(low, first), min(high, last))
            W[own, own - first] = 1.0
    return F


def _sampling_variance(parents: Positions, F: Array) -> Array:
    of_parents = np.where(parents < 0, -1.0, F[parents])
    return np.asarray(0.5 - 0.25 * of_parents.sum(axis=1))


def _mendelian(parents: Positions) -> Any:
    """M, whose row of an animal is 1 for itself and -1/2 for each known parent."""
    n = len(parents)
    child, side = np.nonzero(parents >= 0)
    rows = np.concatenate([np.arange(n), child])
    columns = np.concatenate([np.arange(n), parents[child, side]])
    values = np.concatenate([np.ones(n), np.full(len(child), -0.5)])
    return sparse.csr_array((values, (rows, columns)), shape=(n, n))


def _inverse(parents: Positions, variance: Array) -> Any:
    M = _mendelian(parents)
    half = M * np.sqrt(1.0 / variance)[:, None]
    return (half.T @ half).tocsc()


def _covariances(related: RelatedLevels, parents: Positions, F: Array) -> Array:
    """Return A on the pattern of its inverse: of animals, their parents and their mates.

    The inbreeding of a child is half the covariance of its parents, so that

        A_ii = 1 + F_i,    A_sd = 2 F_i,    A_is = (A_ss + A_sd) / 2.
    """
    n = len(parents)
    child = np.flatnonzero((parents >= 0).all(axis=1))
    pairs = [(np.arange(n), np.arange(n), 1.0 + F)]
    pairs.append((parents[child, 0], parents[child, 1], 2.0 * F[child]))
    for side in (0, 1):
        known = np.flatnonzero(parents[:, side] >= 0)
        parent = parents[known, side]
        pairs.append((known, parent, 0.5 * (1.0 + F[parent]) + F[known]))
    first, second, value = (np.concatenate(each) for each in zip(*pairs, strict=True))
    place, at = np.unique(
        np.minimum(first, second) * n + np.maximum(first, second), return_index=True
    )
    column = np.repeat(np.arange(n), np.diff(related.at))
    return value[at[np.searchsorted(place, column * n + related.row)]]


def _three_columns(table: Any, name: str) -> list[pd.Series]:
    if not isinstance(table, pd.DataFrame):
        try:
            table = pd.DataFrame(table)
        except ValueError as error:
            raise DataError(f"the pedigree of {name!r} is no table: {error}.") from error
    names = {str(column).lower(): column for column in table.columns}
    if all(column in names for column in COLUMNS):
        return [table[names[column]] for column in COLUMNS]
    if table.shape[1] != 3:
        raise DataError(
            f"the pedigree of {name!r} has the columns {', '.join(map(str, table.columns))}: it "
            "needs animal, sire and dam, or three columns in this order."
        )
    return [table.iloc[:, i] for i in range(3)]


def _parents(columns: list[pd.Series], name: str) -> tuple[pd.Index, Positions]:
    """Return the labels of all animals and the positions of their parents, shape (n, 2)."""
    unknown = [column.isna() | column.isin(UNKNOWN) for column in columns]
    if unknown[0].any():
        row = int(np.argmax(unknown[0].to_numpy()))
        raise DataError(f"the pedigree of {name!r} has no animal in row {row + 1}.")
    columns = [_plain(column[~mask]) for column, mask in zip(columns, unknown, strict=True)]
    kinds = {pd.api.types.is_numeric_dtype(column) for column in columns if len(column)}
    if len(kinds) > 1:  # numbers in one column, text in another, as from a file with "NA"
        columns = [column.astype(str).str.removesuffix(".0") for column in columns]
    animals = pd.Index(columns[0])
    if animals.has_duplicates:
        twice = animals[animals.duplicated()].tolist()[0]
        raise DataError(f"the pedigree of {name!r} has two rows for the animal {twice!r}.")
    named = pd.Index(pd.concat([columns[1], columns[2]], ignore_index=True).drop_duplicates())
    founders = named[~named.isin(animals)]
    labels = animals.append(founders) if len(founders) else animals
    parents = np.full((len(labels), 2), -1, dtype=np.intp)
    for side in (0, 1):
        known = np.flatnonzero(~unknown[side + 1].to_numpy())
        parents[known, side] = labels.get_indexer(columns[side + 1])
    return labels, parents


def _plain(column: pd.Series) -> pd.Series:
    """Return whole numbers as such, also where they are text or categories."""
    values = pd.Series(np.asarray(column), index=column.index).infer_objects()
    if values.dtype == object and len(values):
        numbers = pd.to_numeric(values, errors="coerce")
        if numbers.notna().all():
            values = numbers
    if pd.api.types.is_float_dtype(values) and (values == np.round(values)).all():
        values = values.astype(np.int64)
    return values


def _generations(parents: Positions, labels: pd.Index, name: str) -> Positions:
    """Return one more than the larger generation of the parents, 0 for founders."""
    generation = np.zeros(len(parents), dtype=np.intp)
    for _ in range(len(parents) + 1):
        of_parents = np.where(parents < 0, -1, generation[parents])
        new = of_parents.max(axis=1) + 1
        if np.array_equal(new, generation):
            return generation
        changed = new != generation
        generation = new
    animal = labels[changed].tolist()[0]
    raise DataError(f"in the pedigree of {name!r} the animal {animal!r} is its own ancestor.")
