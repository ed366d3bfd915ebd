"""Starts in which the linear predictor of some rows has the other sign.

With the square root link, eta = mu^(1/2), a predictor and its negative have one mean: coefficients
are taken for one another in parts of the rows, and each choice of signs may have an optimum of its
own. A predictor of a factor can change its sign from one level to the others, that of a covariate
about its middle; the signs of several columns together are the products of theirs. Levels are found
in the columns, so that choices are the same for all contrasts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreGeneralized
from ..._typing import Array
from .fresh_evaluation import agrees, moved_afresh
from .optimize import FitReport

__all__ = ["mirrored_coefficients", "upright"]

# Changes of sign that are joined, and choices of signs.
MOST_CHANGES, MOST = 8, 8
# A column of contrasts has no more values than this, and a covariate more than half as many as rows
# unless they are as few as the second.
MOST_VALUES, FEW_VALUES = 8, 3


def mirrored_coefficients(
    eta: Array, Q: Array, X: Array, offset: Array | None, weights: Array | None
) -> list[Array]:
    """Return coefficients of Q nearest to a predictor with other signs in some rows.

    Parameters
    ----------
    eta : ndarray, shape (n,)
        The predictor, offset included.
    Q, X : ndarray, shape (n, p)
        Columns of the working coefficients, and as they were given.
    offset, weights : ndarray, shape (n,), or None

    Returns
    -------
    list of ndarray, shape (p,)
        For each level of a factor and each covariate, then for several together, up to a number of
        them. Without an offset a predictor and its negative are one model: of the two that is given
        which is positive in the mean.
    """
    found: list[Array] = []
    root = np.ones(len(eta)) if weights is None else np.sqrt(weights)
    for signs in _choices(X, eta, offset is not None):
        mirrored = signs * eta
        upright = np.where(mirrored.sum() < 0, -mirrored, mirrored)
        wanted = upright if offset is None else mirrored - offset
        found.append(np.linalg.lstsq(Q * root[:, None], wanted * root, rcond=None)[0])
    return found


def upright(
    core: CoreGeneralized, report: FitReport, coefficients: slice, weights: Array | None
) -> FitReport:
    """Return the report of an end whose predictor is positive in the mean.

    Without an offset all coefficients and conditional modes may change their signs together: both
    are one model, and which of them a search finds is chance.

    Parameters
    ----------
    core : CoreGeneralized
        Solved at the end, as it is again afterwards.
    report : FitReport
    coefficients : slice
        Where they are among the parameters.
    weights : ndarray, shape (n,), or None
    """
    eta = core.solution().eta
    if float(eta.sum() if weights is None else weights @ eta) >= 0.0:
        return report
    end = report.end.copy()
    end[coefficients] *= -1.0
    mirrored = moved_afresh(core, report, end)
    if agrees(report.objective, mirrored.objective):
        return mirrored
    core.value_and_gradient(report.end)
    return report


def _choices(X: Array, eta: Array, of_all: bool) -> Iterator[Array]:
    """Yield signs of the rows, each choice once; but for the sign of all unless that matters."""
    changes = [np.where(above, -1.0, 1.0) for above in _parts(X)]
    # In an order that neither contrasts nor the order of columns change.
    changes = sorted(changes, key=lambda signs: abs(float(signs @ eta)))[:MOST_CHANGES]
    met = {np.ones(len(X)).tobytes()}
    for number in range(1, len(changes) + 1):
        for some in combinations(changes, number):
            signs = np.prod(some, axis=0)
            choice = (signs if of_all else signs * signs[0]).tobytes()
            if choice not in met and len(met) <= MOST:
                met.add(choice)
                yield signs


def _parts(X: Array) -> Iterator[NDArray[np.bool_]]:
    """Yield rows of one level of a factor, and those above the median of a covariate."""
    limit = min(MOST_VALUES, max(FEW_VALUES, len(X) // 2))
    codes = [np.unique(column, return_inverse=True)[1] for column in X.T]
    counts = [int(code.max()) + 1 for code in codes]
    left = [j for j, count in enumerate(counts) if 1 < count <= limit]
    for j, count in enumerate(counts):
        if count > limit:
            yield X[:, j] > np.median(X[:, j])
    while left:
        levels, count = codes[left[0]], counts[left[0]]
        left, others = [], left[1:]
        for j in others:
            # Two columns of contrasts of one factor have fewer pairs of values than two factors.
            pairs, joint = np.unique(levels * counts[j] + codes[j], return_inverse=True)
            if len(pairs) < count + counts[j]:
                levels, count = joint, len(pairs)
            else:
                left.append(j)
        yield from (levels == level for level in range(count))
