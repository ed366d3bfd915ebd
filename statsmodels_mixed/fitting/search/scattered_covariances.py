"""Runs of a linear fit from covariances scattered over all sizes and correlations.

The optima of a small model differ in the signs of correlations and in the rank of T more than in
the sizes of variances, and all usual starts have independent effects. The scatter is the same for
every fit, in coordinates that do not change with shifts and scales of covariates, and terms of one
kind are drawn in the order of their likelihoods, not in that of the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreWorkspace
from ..._typing import Array
from ..covariance import factors_of, theta_of, triangular_root
from .optimize import FitOptions
from .runs import DISTINCT, LOWER, BestOfRuns, descend, logged, take_briefly
from .second_start import spread_of_errors

__all__ = ["scatter_covariances", "tries_all_sizes"]


RUNS = 16
# Evaluations of a run that is not lower yet.
SHORT = 60
# Standard deviations of random effects over sigma, powers of ten.
SIZES = (-1.0, 1.5)
# As many variances are tried at all of these sizes, close enough that each minimum is lower than
# its neighbours.
FEW_VARIANCES, FEW_ROWS = 2, 100
ALL_SIZES = 10.0 ** np.arange(-2.0, 5.1, 0.25)
# From such T runs fall to a residual variance of zero, where the likelihood rises towards it.
LARGE = 30.0
# Those of further runs, about the largest one at the end of the fit: where weights differ widely,
# or there are no more rows than effects, optima may be at any size.
ABOUT = (-1.0, 1.0)
RUNS_ABOUT = 8
# Those of runs where weights differ widely, up to the largest standard deviation of a row over the
# least: few rows may decide each of the variances.
FAR_SIZE, MOST_SIZE, RUNS_FAR = 1.5, 5.0, 8
# The same of rank one, in fits of few rows: their optima may lie on other faces of the cone of
# covariances, into which few runs from its inside fall.
RUNS_OF_RANK_ONE = 12
# Where weights differ widely, as many more of any rank and all sizes, of rank one and all sizes,
# and of rank one about the largest: of a dozen optima the lowest may be the end of one run in ten.
MORE_RUNS = 8
# In the end there the signs of T are tried as well, one at a time.
# An axis that is shorter than this share of the longest one is none.
ROUNDING = 1e-9


def tries_all_sizes(workspace: CoreWorkspace, variances: int) -> bool:
    """Return whether as many variances are tried at all sizes."""
    return variances <= FEW_VARIANCES and workspace.nobs <= FEW_ROWS


def scatter_covariances(
    runs: BestOfRuns,
    workspace: CoreWorkspace,
    patterns: Sequence[NDArray[np.bool_]],
    options: FitOptions,
    constant: float,
    weights: Array | None = None,
) -> None:
    """Take runs from scattered covariances; one or two variances are tried at all sizes.

    Parameters
    ----------
    runs : BestOfRuns
        The workspace is not solved at its end afterwards.
    workspace : CoreWorkspace
    patterns : sequence of ndarray of bool, shape (k, k)
        Elements of the factors T.
    options : FitOptions
    constant : float
        See `minimize`.
    weights : ndarray, shape (rows,), optional
        Inverse variances of the rows, up to a factor.
    """
    if tries_all_sizes(workspace, len(runs.report.end)):
        _try_all_sizes(runs, workspace, options, constant)
    if len(runs.report.end) == 1:
        return
    draws = _Draws(_order(runs, workspace, patterns, constant))
    starts = [[LARGE * np.eye(len(pattern)) for pattern in patterns]]
    starts += [draws.of(patterns, SIZES) for _ in range(RUNS - 1)]
    end = factors_of(workspace.in_units(runs.report.end), patterns)
    largest = max(float(np.linalg.norm(T, axis=1).max()) for T in end)
    power = float(np.log10(largest or 1.0))
    about = power + ABOUT[0], power + ABOUT[1]
    starts += [draws.of(patterns, about) for _ in range(RUNS_ABOUT)]
    firsts = [p & _first_column(p) for p in patterns]
    if workspace.nobs <= FEW_ROWS and any(_joins_all(p) for p in patterns):
        starts += _without_axes(end, patterns)
        starts += [draws.of(firsts, about) for _ in range(RUNS_OF_RANK_ONE)]
    spread = spread_of_errors(weights)
    if spread > FAR_SIZE:
        far = FAR_SIZE, min(spread, MOST_SIZE)
        starts += [draws.of(patterns, far) for _ in range(RUNS_FAR)]
        for _ in range(MORE_RUNS):
            starts.append(draws.of(patterns, SIZES))
            starts.append(draws.of(firsts, SIZES))
            starts.append(draws.of(firsts, about))
    thetas = [workspace.from_units(theta_of(factors, patterns)) for factors in starts]
    _take_all(runs, workspace, thetas, options, constant)
    if spread > FAR_SIZE:
        thetas = _with_other_signs(runs.report.end, patterns)
        _take_all(runs, workspace, thetas, options, constant, by=DISTINCT)


def _take_all(
    runs: BestOfRuns,
    workspace: CoreWorkspace,
    thetas: Sequence[Array],
    options: FitOptions,
    constant: float,
    by: float = LOWER,
) -> None:
    """Take runs from some theta unless there is no maximum."""
    for i, theta in enumerate(thetas):
        if runs.falls:
            return
        # Far out may be plateaus that fall slowly, of variances that the data do not determine.
        least = by if i < RUNS else DISTINCT
        take_briefly(runs, workspace, theta, options, constant, most=SHORT, by=least)


def _joins_all(pattern: NDArray[np.bool_]) -> bool:
    """Return whether all of two effects or more may be correlated with one another."""
    k = len(pattern)
    return k > 1 and int(pattern.sum()) == k * (k + 1) // 2


def _first_column(pattern: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which elements a T of rank one has, if it can have that rank."""
    first = np.zeros_like(pattern)
    first[:, 0] = True
    return first if _joins_all(pattern) else pattern


def _without_axes(end: Sequence[Array], patterns: Sequence[NDArray[np.bool_]]) -> list[list[Array]]:
    """Return the end of a fit without each principal axis of a term that has several."""
    found = []
    for i, (T, pattern) in enumerate(zip(end, patterns, strict=True)):
        if not _joins_all(pattern):
            continue
        U, lengths, _ = np.linalg.svd(T)
        axes = np.flatnonzero(lengths > ROUNDING * lengths[0])
        for axis in axes if len(axes) > 1 else ():
            root = U * np.where(np.arange(len(T)) == axis, 0.0, lengths)
            found.append([*end[:i], triangular_root(root), *end[i + 1 :]])
    return found


def _with_other_signs(end: Array, patterns: Sequence[NDArray[np.bool_]]) -> list[Array]:
    """Return theta at the end of a fit with the other sign of each covariance in T."""
    diagonal = theta_of([np.eye(len(pattern)) for pattern in patterns], patterns) > 0
    apart = np.flatnonzero((end != 0) & ~diagonal)
    return [np.where(np.arange(len(end)) == element, -end, end) for element in apart]


def _try_all_sizes(
    runs: BestOfRuns, workspace: CoreWorkspace, options: FitOptions, constant: float
) -> None:
    """Take runs from all sizes of one or two variances beside which others are worse."""
    count = len(runs.report.end)
    sides = count * [ALL_SIZES[::count]]
    sizes = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)
    thetas = np.apply_along_axis(workspace.from_units, -1, sizes)
    flat = thetas.reshape(-1, count)
    values = np.array([workspace.value(theta) for theta in flat])
    runs.report = logged(runs.report, runs.report, flat, values + constant, len(values))
    values = np.where(np.isnan(values), np.inf, values).reshape(sizes.shape[:-1])
    lowest = _lowest_of_neighbours(values, runs.least - constant) | _lowest_of_ends(values)
    for theta in thetas[lowest]:
        run = descend(workspace, theta, options, constant)
        if run is not None:
            runs.take(run)


def _lowest_of_neighbours(values: Array, least: float) -> NDArray[np.bool_]:
    """Return where a grid is no higher than around it, and at its far ends lower than `least`."""
    padded = np.pad(values, 1, constant_values=np.inf)
    lowest = values < np.inf
    for shift in product(range(3), repeat=values.ndim):
        window = tuple(slice(s, s + n) for s, n in zip(shift, values.shape, strict=True))
        lowest &= values <= padded[window]
    for side in range(values.ndim):
        lowest.swapaxes(0, side)[-1] &= values.swapaxes(0, side)[-1] < least
    return lowest


def _lowest_of_ends(values: Array) -> NDArray[np.bool_]:
    """Return where a grid is lowest among those of almost no variance of each term but one.

    The optimum beside it may be closer to another one than the grid is wide.
    """
    lowest = np.zeros(values.shape, dtype=bool)
    for side in range(values.ndim if values.ndim > 1 else 0):
        first = lowest.swapaxes(0, side)[0]
        first.flat[np.argmin(values.swapaxes(0, side)[0])] = True
    return lowest


def _order(
    runs: BestOfRuns,
    workspace: CoreWorkspace,
    patterns: Sequence[NDArray[np.bool_]],
    constant: float,
) -> list[int]:
    """Return the order in which terms are drawn: by size, those of one kind by likelihood."""
    kinds = [(-len(pattern), -int(pattern.sum()), pattern.tobytes()) for pattern in patterns]
    if len(set(kinds)) == len(kinds):
        return sorted(range(len(kinds)), key=kinds.__getitem__)
    alone = [
        theta_of([(i == j) * np.eye(len(p)) for j, p in enumerate(patterns)], patterns)
        for i in range(len(patterns))
    ]
    thetas = np.array([workspace.from_units(theta) for theta in alone])
    values = np.array([workspace.value(theta) for theta in thetas])
    runs.report = logged(runs.report, runs.report, thetas, values + constant, len(values))
    return sorted(range(len(kinds)), key=lambda i: (*kinds[i], values[i]))


class _Draws:
    """Random T of terms that are drawn in some order."""

    def __init__(self, order: Sequence[int]) -> None:
        self.order, self.stream = order, np.random.default_rng(0)

    def of(self, patterns: Sequence[NDArray[np.bool_]], sizes: tuple[float, float]) -> list[Array]:
        """Return a T of each term, of standard deviations between powers of ten."""
        drawn = {i: _drawn(self.stream, patterns[i], sizes) for i in self.order}
        return [drawn[i] for i in range(len(patterns))]


def _drawn(
    draws: np.random.Generator, pattern: NDArray[np.bool_], sizes: tuple[float, float]
) -> Array:
    """Return a T of random correlations and standard deviations, between powers of ten."""
    T = draws.normal(size=pattern.shape) * pattern
    T /= np.linalg.norm(T, axis=1, keepdims=True)
    return np.asarray(T * 10.0 ** draws.uniform(*sizes, (len(T), 1)))
