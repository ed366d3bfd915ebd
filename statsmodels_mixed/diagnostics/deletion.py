"""Fits of a model without each of several cases: rows, or groups of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from .._core import LARGE_TAIL, blas_threads, waiting_for_threads
from .._typing import Array
from ..bootstrap.runner import number_of_threads
from ..fitting.estimates import Estimates
from ..fitting.fixed_effects.basis import FixedBasis
from ..fitting.refits import Refit
from ..frame.design import Design
from ..results.parameters import CovarianceParameters
from .fit_without import Deleter, fit_without, null_columns

__all__ = ["Deletions", "fits_without"]

RowNumbers = NDArray[np.intp]

# Least eigenvalue of Z'Z, of columns of unit length, for them to be surely independent.
DEPENDENT = 1e-10
# Rows from which a fit takes longer than what Python does around it.
WORTH_THREADS = 2000


@dataclass(frozen=True, eq=False)
class Deletions:
    """Fits without each of m cases; NaN where there is no estimate.

    Parameters
    ----------
    beta : ndarray, shape (m, rank)
        Of the coefficients that are estimable from all rows.
    covariance : ndarray, shape (m, rank, rank)
        Theirs, given the covariance parameters.
    theta : ndarray, shape (m, n_theta)
        NaN for all of a block if the remaining rows do not determine all its random effects.
    sd : ndarray, shape (m, n_sd)
        Standard deviations of the random effects.
    scale : ndarray, shape (m,)
        sigma, or the dispersion of a generalized model.
    objective : ndarray, shape (m,)
    converged : ndarray of bool, shape (m,)
    change : ndarray, shape (m, rank)
        Coefficients from all rows less `beta`, on an orthonormal basis of X.
    inner : ndarray, shape (m, rank, rank)
        `covariance` on that basis, over the scale of that of all rows.
    basis : FixedBasis
    """

    beta: Array
    covariance: Array
    theta: Array
    sd: Array
    scale: Array
    objective: Array
    converged: NDArray[np.bool_]
    change: Array
    inner: Array
    basis: FixedBasis


def fits_without(
    design: Design,
    estimates: Estimates,
    cases: Sequence[RowNumbers],
    components: CovarianceParameters,
    note: Callable[[int], None],
) -> Deletions:
    """Fit a model without each of several cases, in threads if it is large.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : Estimates
    cases : sequence of ndarray of int
        Numbers of the rows of each case.
    components : CovarianceParameters
    note : callable
        Called with the number of fits that were done, from any thread.

    Returns
    -------
    Deletions
        A fit that fails leaves NaN, and so does one in which a grouping factor is left with a
        single level or with a level for each row.
    """
    deleter = Deleter(design, estimates)
    sizes = [np.bincount(block.refs, minlength=len(block.levels)) for block in design.blocks]
    alone = _rows_may_be_levels(design, estimates)
    possible = [m for m, rows in enumerate(cases) if _groups_remain(design, sizes, rows, alone)]
    count, rank = len(cases), len(estimates.beta)
    beta, covariance = np.full((count, rank), np.nan), np.full((count, rank, rank), np.nan)
    theta = np.full((count, len(components.theta_names)), np.nan)
    scale, objective = np.full(count, np.nan), np.full(count, np.nan)
    converged = np.zeros(count, dtype=bool)
    change, inner = beta.copy(), covariance.copy()
    basis = deleter.refits.basis
    unit = 1.0 if estimates.on_basis is None else estimates.on_basis.scale
    tail = deleter.refits.tail_size
    large = tail >= LARGE_TAIL
    with blas_threads(tail):
        for m, fit in _fit_all(deleter, cases, possible, 1 if large else _threads(design), note):
            beta[m], covariance[m], theta[m] = fit.beta, fit.covariance, fit.theta
            scale[m], objective[m], converged[m] = fit.scale, fit.objective, fit.converged
            if fit.gamma is None or fit.inner is None:
                change[m] = basis.R @ (estimates.beta - fit.beta)
                inner[m] = basis.R @ (fit.covariance / unit) @ basis.R.T
            else:
                change[m], inner[m] = deleter.refits.full - fit.gamma, fit.inner
    fits = Deletions(
        beta, covariance, theta, theta[:, :0], scale, objective, converged, change, inner, basis
    )
    if components.natural:
        return fits
    lost = _lost_effects(design, cases)
    theta[:] = components.rectify(theta)
    sd = components.deviations(theta, scale if estimates.scale_name == "sigma" else 1.0)
    at = np.array([t for t, _ in components.sd_at])
    block_of = [t for t, _, _ in components.theta_at]
    for t in range(len(design.blocks)):
        theta[np.ix_(lost[:, at == t].any(axis=1), np.equal(block_of, t))] = np.nan
    sd[lost] = np.nan
    return replace(fits, sd=sd)


def _threads(design: Design) -> int:
    """Return how many threads this process may use, if they pay for themselves."""
    return 1 if len(design.y) < WORTH_THREADS else number_of_threads(None)


def _fit_all(
    deleter: Deleter,
    cases: Sequence[RowNumbers],
    numbers: Sequence[int],
    threads: int,
    note: Callable[[int], None],
) -> list[tuple[int, Refit]]:
    """Fit without the cases of these numbers; give the fits that there are, in any order."""
    stop = Event()

    def work(own: Deleter, part: Iterable[int]) -> list[tuple[int, Refit]]:
        fits = []
        for m in part:
            if stop.is_set():
                break
            fit = fit_without(own, cases[m])
            note(1)
            if fit is not None:
                fits.append((m, fit))
        return fits

    if threads == 1:
        return work(deleter, numbers)
    own = [deleter.for_thread() for _ in range(threads)]
    with waiting_for_threads(), ThreadPoolExecutor(threads) as pool:
        parts = [pool.submit(work, own[t], numbers[t::threads]) for t in range(threads)]
        try:
            return [fit for part in parts for fit in part.result()]
        finally:
            stop.set()  # Ctrl-C: the others end with the fit they are at


def _rows_may_be_levels(design: Design, estimates: Estimates) -> bool:
    """Return whether the variance among levels of one row each can be estimated."""
    spec = estimates.spec
    binary = spec is not None and spec.family == "binomial" and design.weights is None
    return not (binary or estimates.scale_estimated)


def _groups_remain(
    design: Design, sizes: list[NDArray[np.intp]], rows: RowNumbers, alone: bool
) -> bool:
    """Return whether every grouping factor has levels left whose variance can be estimated."""
    rest = len(design.y) - len(rows)
    for block, size in zip(design.blocks, sizes, strict=True):
        touched, counts = np.unique(block.refs[rows], return_counts=True)
        left = len(size) - int(np.sum(counts == size[touched]))
        if left < 2 or (left == rest and not alone):
            return False
    return True


def _lost_effects(design: Design, cases: Sequence[RowNumbers]) -> NDArray[np.bool_]:
    """Return which random effects the rows without each case say nothing about, (m, n_sd)."""
    parts = []
    for block in design.blocks:
        lost = np.zeros((len(cases), len(block.names)), dtype=bool)
        count, label = connected_components(block.pattern, directed=False)
        # Effects without a common covariance are examined one by one.
        for columns in (np.flatnonzero(label == c) for c in range(count)):
            z = block.z[:, columns]
            gram = z.T @ z
            for m, rows in enumerate(cases):
                if _least_eigenvalue(gram - z[rows].T @ z[rows], np.diag(gram)) < DEPENDENT:
                    lost[m, columns] = null_columns(np.delete(z, rows, axis=0))
        parts.append(lost)
    return np.hstack(parts)


def _least_eigenvalue(gram: Array, squares: Array) -> float:
    """Return the least eigenvalue of a Gram matrix of columns divided by the roots of squares."""
    root = np.sqrt(np.where(squares > 0, squares, 1.0))
    return float(np.linalg.eigvalsh(gram / np.outer(root, root))[0])
