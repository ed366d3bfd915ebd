"""Starts at large effects of columns that are nearly one; see `fitting.nearly_one`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from ..._typing import Array
from ...frame.design import Design
from ...structures import Unconstrained
from ..search.nearly_one import SIZES, blocks_nearly_one
from ..search.trust_region import LOWER, Minimum
from .covariance_model import CovarianceModel

__all__ = ["Terms", "lower_with_large_effects", "terms_nearly_one"]


Terms = list[tuple[slice, Unconstrained, Array]]


def terms_nearly_one(design: Design, model: CovarianceModel, sds: Sequence[Array]) -> list[Terms]:
    """Return the terms of each factor with columns that are nearly one.

    Parameters
    ----------
    design : Design
    model : CovarianceModel
    sds : sequence of ndarray, shape (k,)
        Standard deviations that make effects of each factor as large as the errors of the rows.
    """
    return [
        [(each.phi, each.free, sds[t][each.columns]) for each in model.parts if each.block == t]
        for t in blocks_nearly_one(design)
    ]


def lower_with_large_effects(
    minimum: Minimum,
    others: Sequence[Array],
    blocks: Sequence[Terms],
    scaled: Callable[[Array], tuple[float, Array] | None],
    descend: Callable[[Array], Minimum],
) -> Minimum:
    """Return the lower of a minimum and of those below large effects.

    Parameters
    ----------
    minimum : Minimum
        Returned as it is where no search came to an end.
    others : sequence of ndarray
        Coordinates beside whose other parameters sizes are tried as well: at the minimum these may
        make up for effects that are missing.
    blocks : sequence of list of (slice, Unconstrained, ndarray)
        Of each grouping factor whose independent effects have columns that are nearly one: the
        structure of each term, where its coordinates are, and standard deviations that make its
        effects as large as the errors of the rows.
    scaled : callable
        Returns the objective beside given coordinates, where all variances are multiplied by what
        suits the data best, and the coordinates there; None where there is no objective.
    descend : callable
        Returns the minimum from a start.
    """
    for terms in blocks:
        if minimum.status in ("FAILURE", "MAXEVAL_REACHED"):
            break
        tried = []
        for beside, size in product((minimum.end, *others), SIZES):
            x = beside.copy()
            for at, free, sds in terms:
                x[at] = free.x(free.structure.starts(size * sds)[0])
            tried.append(scaled(x) or (np.inf, x))
        values = np.array([value for value, _ in tried])
        values = np.where(np.isnan(values), np.inf, values)
        minimum = replace(
            minimum,
            evaluations=minimum.evaluations + len(tried),
            failures=minimum.failures + int(np.isinf(values).sum()),
            points=np.vstack([minimum.points, *[x for _, x in tried]]),
            values=np.append(minimum.values, values),
        )
        if values.min() < minimum.value - LOWER:
            minimum = minimum.or_lower(descend(tried[int(np.argmin(values))][1]))
    return minimum
