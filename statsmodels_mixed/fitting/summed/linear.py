"""A linear fit to sums over rows, of crossed terms whose levels meet nearly everywhere.

The criterion, its gradient and the steps are those of the iterative fits, without probes: here
log|Omega| and its traces are exact (`dense_schur`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..._core import FitOptions, blas_threads
from ..._typing import Array
from ...errors import DataError, OptionError
from ...frame.design import NEEDS_ROWS, Design
from ..estimates import LinearEstimates
from ..fixed_effects.basis import orthonormal_basis, refuse_few_rows, residual_response
from ..search.optimize import refuse_other_options
from ..search.probe_newton import minimize_probed
from .criterion import CriterionPoint, LinearCriterion
from .dense_schur import DenseSchur, ExactTraces, solved
from .level_products import Shapes
from .level_sums import LevelSums
from .point_estimates import point_estimates, point_report
from .working_products import WorkingProducts

__all__ = ["SummedDesign", "SummedPoint", "fit_summed", "summed_point"]

# The least share of the response's variance that the residual one may be: sums of squares have no
# digits for less.
LEAST_SHARE = 1e-9
# What the model promises at the end of an exact run.
PROMISE = 1e-10


@dataclass(frozen=True, eq=False)
class SummedDesign(Design):
    """Sums over the rows of a linear model, which are not in memory.

    X and y are few rows with the cross-products of all; so are the columns of every block, each
    for itself.

    Parameters
    ----------
    sums : LevelSums
    beside : ndarray, shape (q, n)
        Z' times the rows, in the coordinates of the sums.
    sizes : tuple of ndarray, shape (k,)
        What every column of Z adds, by block, in these coordinates.
    """

    sums: LevelSums = field(kw_only=True)
    beside: Array = field(kw_only=True)
    sizes: tuple[Array, ...] = field(kw_only=True)

    @property
    def has_rows(self) -> bool:
        """Whether the arrays have the likelihood of the model."""
        return False


class _Gram:
    """Z'Z, to be multiplied."""

    def __init__(self, sums: LevelSums) -> None:
        self.sums = sums

    @property
    def shapes(self) -> Shapes:
        """Levels and columns of each term."""
        return self.sums.shapes

    def multiply(self, effects: Array) -> Array:
        """Return Z'Z times (q, m)."""
        sums, m = self.sums, effects.shape[1]
        split = len(sums.cross)
        levels, k = sums.shapes[0]
        head, tail = effects[:split], effects[split:]
        own = (sums.own[0] @ head.reshape(levels, k, m)).reshape(-1, m)
        return np.concatenate([own + sums.cross @ tail, sums.cross.T @ head + sums.tail() @ tail])


class SummedPoint(CriterionPoint):
    """The criterion and its derivatives at one theta."""

    criterion: SummedCriterion
    enough = PROMISE
    doubling = True

    def moved(self, parameters: Array) -> SummedPoint:
        """Return the point at another theta."""
        return SummedPoint(self.criterion, parameters)

    def thorough(self) -> SummedPoint:
        """Return this point, which is exact."""
        return self

    @cached_property
    def schur(self) -> DenseSchur:
        """Omega, eliminated."""
        return solved(self.criterion.sums, self.factors)

    @cached_property
    def traces(self) -> ExactTraces:
        """Log determinant and traces."""
        return self.schur.traces()


@dataclass(frozen=True)
class SummedCriterion(LinearCriterion):
    """What is minimized, from these sums."""

    sums: LevelSums


def _products(design: SummedDesign) -> WorkingProducts:
    """Return the products in working units.

    Raises
    ------
    DataError
        If there are not more rows than columns of X, or these reproduce the response.
    """
    sums, n = design.sums, design.nobs
    shapes = tuple((len(each.levels), each.z.shape[1]) for each in design.blocks)
    if shapes != sums.shapes or len(design.y) != design.beside.shape[1]:
        raise DataError(NEEDS_ROWS)
    basis = orthonormal_basis(design.X, None)
    refuse_few_rows(n, basis.Q.shape[1], design.x_names)
    gamma, residual, scale = residual_response(design.y, design.X, basis, None, n)
    Xy = np.column_stack([basis.Q, residual])
    sizes = [
        size[np.nonzero(np.asarray(block.pattern).T)[1]]
        for size, block in zip(design.sizes, design.blocks, strict=True)
    ]
    return WorkingProducts(
        coordinates=sums.coordinates,
        column_sizes=np.concatenate(sizes),
        Z=_Gram(sums),
        ZXy=design.beside @ Xy,
        XXy=Xy.T @ Xy,
        basis=basis,
        gamma=gamma,
        y_scale=scale,
        rows=n,
        log_weights=design.log_weights,
    )


def _criterion(design: SummedDesign, reml: bool, sigma: float | None) -> SummedCriterion:
    products = _products(design)
    patterns = [np.asarray(block.pattern, dtype=bool) for block in design.blocks]
    working = None if sigma is None else sigma / products.y_scale
    return SummedCriterion(products, patterns, reml, working, design.sums)


def summed_point(design: SummedDesign, estimates: LinearEstimates) -> SummedPoint:
    """Return the criterion of a fit at its estimates, of this design or one with other columns."""
    sigma = estimates.fixed_sigma
    criterion = _criterion(design, estimates.reml, sigma)
    theta = design.sums.coordinates.inward(estimates.theta)
    return SummedPoint(criterion, theta)


def fit_summed(
    design: SummedDesign,
    *,
    reml: bool = False,
    sigma: float | None = None,
    start: Array | None = None,
    options: FitOptions | None = None,
) -> LinearEstimates:
    """Fit a linear mixed model of crossed terms to sums over rows.

    Parameters
    ----------
    design : SummedDesign
    reml, sigma, start, options
        As for `fit_linear`.

    Returns
    -------
    LinearEstimates
        Without rows.

    Raises
    ------
    OptionError
        If another optimizer or solver is asked for.
    DataError
        If the sums have no digits for the residual variance.
    """
    options = options or FitOptions()
    if options.optimizer != "newton" or options.solver == "iterative":
        raise OptionError(
            'of the pairs of levels only sums are kept, there are too many: optimizer="newton" and '
            'solver="auto" are possible, others need the rows in memory.'
        )
    refuse_other_options(options, ("max_eval", "solver"), "sums of crossed terms")
    criterion = _criterion(design, reml, sigma)
    products, coordinates = criterion.products, design.sums.coordinates
    scale = 1.0 / products.column_sizes
    begin = np.zeros_like(scale)
    begin[coordinates.diagonal] = scale[coordinates.diagonal]
    begin = begin if start is None else coordinates.inward(np.asarray(start, dtype=float))
    if begin.shape != scale.shape or not np.all(np.isfinite(begin)):
        raise OptionError(f"start= must hold {len(scale)} finite numbers, one for each theta.")
    with blas_threads(design.sums.cross.shape[1]):
        run = minimize_probed(SummedPoint(criterion, begin), criterion.patterns, options.max_eval)
        point = run.point
        assert isinstance(point, SummedPoint)
        if point.r2 < LEAST_SHARE * products.rows:
            raise DataError(
                "the residual variance is so small beside that of the response that sums over rows "
                "have no digits for it, and more need the rows in memory."
            )
        report = point_report(
            run,
            optimizer=options.optimizer,
            constant=products.constant(reml),
            objective=float(point.values[0]),
            outward=coordinates.outward,
            gradient=coordinates.gradient_outward(point.gradient),
        )
        return point_estimates(point, report, sigma, float(point.traces.logdet[0]))
