"""Fitting a linear mixed model whose covariances are functions of few parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from ..._typing import Array
from ...errors import OptionError
from ...frame.design import Design
from ...later import load
from ..crossproduct_criterion import CrossproductCriterion
from ..estimates import LinearEstimates
from ..search.optimize import (
    CONVERGED_DECREMENT,
    FitOptions,
    FitReport,
    refuse_other_options,
)
from ..search.trust_region import Minimum
from ..taken_up import refuse_taken_up
from .covariance_model import CovarianceModel, CovariancePart
from .fit import StructuredFit
from .objective import StructuredObjective
from .several_starts import MANY_ROWS, SETTLED, best_minimum

__all__ = [
    "bounds_in_words",
    "check_start",
    "column_sizes",
    "minimize_structured",
    "objective_of",
    "off_zero",
    "other_starts",
    "report_of",
    "starts_of",
]


# Random effects times their columns: beyond this only the likeliest start is followed to its end.
MANY = 2_000_000

# Ranges of more times the largest difference of coordinates.
FAR = 100.0

_MESSAGES = {
    "GTOL_REACHED": "The gradient vanished.",
    "ROUNDOFF_LIMITED": "Rounding errors prevent any further decrease.",
    "MAXEVAL_REACHED": "The limit of evaluations was reached.",
}


def column_sizes(design: Design, weights: Array | None = None) -> list[Array]:
    """Return the root mean square of each column of Z where it is not zero, by block.

    Parameters
    ----------
    design : Design
    weights : ndarray, shape (n,), optional
        By which rows count.
    """
    out = []
    ones = np.ones(len(design.y)) if weights is None else weights
    for at, block in enumerate(design.blocks):
        counts = np.count_nonzero(block.z, axis=0)
        if design.reduced is not None:
            counts = design.reduced.in_use[at]
        squares = np.einsum("ij,ij,i->j", block.z, block.z, ones)
        for own in block.own_places:  # those of indicators
            squares[own.columns] = counts[own.columns] * ones.mean()
        out.append(np.sqrt(np.where(counts > 0, squares / np.maximum(counts, 1), 1.0)))
    return out


def minimize_structured(
    criterion: CrossproductCriterion, start: Array | None, options: FitOptions
) -> tuple[FitReport, StructuredFit, float]:
    """Minimize the criterion over the parameters of all structures, and sigma.

    Parameters
    ----------
    criterion : CrossproductCriterion
        Its workspace is left solved at the minimum.
    start : ndarray, shape (m,), optional
        Parameters phi to start from, in place of several starts.
    options : FitOptions
        Of which `max_eval` is taken.

    Returns
    -------
    FitReport
    StructuredFit
    float
        sigma.

    Raises
    ------
    DataError
        If REML has no information on some parameter.
    """
    refuse_other_options(options, ("max_eval", "solver"), "models with covariance structures")
    design = criterion.design
    model = CovarianceModel(design)
    if criterion.reml:
        refuse_taken_up(design, [(part.block, part.columns, part.free) for part in model.parts])
    sizes = column_sizes(design, design.weights)
    objective = StructuredObjective.of(criterion, model, sizes)
    begins = starts_of(objective, sizes, start)

    def least(starts: list[Array]) -> Minimum:
        return best_minimum(
            objective,
            starts,
            longest=np.append(model.longest(begins[0]), LONGEST_LOG)[: objective.size],
            max_eval=options.max_eval,
            settled=SETTLED,
            units=objective.units(sizes),
        )

    minimum = least(begins)
    others: list[Array] = []
    if start is None and np.isfinite(minimum.value):
        others = other_starts(objective, minimum.end, begins[0], design.nobs)
    if others:
        minimum = minimum.or_lower(least([minimum.end, *others]))
    raised = off_zero(objective, minimum.end, minimum.value)
    if raised is not None:
        minimum = minimum.or_lower(least([raised]))
    if start is None:
        minimum = _with_large_effects(
            objective, minimum, begins[0], design, sizes, lambda z: least([z])
        )
    x, found = objective.split(minimum.end)
    x = model.positive(x)
    end = objective.join(x, found)
    phi = model.phi(x)
    not_distinguished = load("fitting.structured.not_distinguished:not_distinguished")
    lost: tuple[str, ...] = not_distinguished(objective, sizes, found)
    theta, _ = objective.theta(end, ridge=0.0)
    value, _, _ = objective.solve(end, ridge=0.0)
    gradient = minimum.gradient
    values, _, scales = model.natural(phi)
    fit = StructuredFit(
        parts=model.reported,
        values=values,
        scales=scales,
        phi=phi,
        z=end,
        gradient=gradient,
        at_bounds=bounds_in_words(model, phi, sizes),
    )
    log = np.array([objective.theta(z)[0] for z in minimum.points])
    report = report_of(minimum, log, theta, value, minimum.gradient)
    if lost:
        report = replace(
            report,
            not_identified=lost,
            converged=bool(minimum.decrement <= CONVERGED_DECREMENT),
        )
    return report, fit, found


# A residual standard deviation below this share of that of the response is on its way to zero.
LEAST_SIGMA = 1e-3
# The share from which such a search leaves zero, if it should.
RAISED_SIGMA = 1e-2
# The longest step of log sigma^2.
LONGEST_LOG = 2.0


def objective_of(design: Design, estimates: LinearEstimates) -> StructuredObjective:
    """Return the objective that a fit minimized; its variables were `structured.z`."""
    sigma = estimates.fixed_sigma
    criterion = CrossproductCriterion.of(design, estimates.reml, sigma)
    return StructuredObjective.of(
        criterion, CovarianceModel(design), column_sizes(design, design.weights)
    )


def starts_of(
    objective: StructuredObjective, sizes: list[Array], start: Array | None = None
) -> list[Array]:
    """Return where to start, in the minimizer's variables.

    Parameters
    ----------
    objective : StructuredObjective
    sizes : list of ndarray, shape (k,)
        Of the columns of Z of each block; see `column_sizes`.
    start : ndarray, shape (m,), optional
        Parameters phi to start from, in place of those that suit the response.
    """
    products, model = objective.products, objective.model
    if start is not None:
        check_start(model, start)
        sigma = objective.sigma or _profiled(objective, model.x(start))
        return [objective.join(model.x(start), sigma)]
    share = products.y_scale / np.sqrt(1.0 + len(model.parts))
    sigma = objective.sigma or share
    starts = model.starts([share / size for size in sizes])
    begins = [objective.join(model.x(phi), sigma) for phi in starts]
    effects = sum(part.structure.k**2 for part in model.parts) * max(
        len(block) for block in products.workspace.design.by_term(
            np.empty(products.workspace.design.q)
        )
    )  # fmt: skip
    if len(begins) > 1 and effects > MANY:
        values = [objective.value(begin) for begin in begins]
        return [begins[int(np.nanargmin(values))]]
    return begins


def other_starts(
    objective: StructuredObjective, minimum: Array, begin: Array, rows: int
) -> list[Array]:
    """Return starts elsewhere, if few rows have a minimum at the end of a range.

    Parameters
    ----------
    objective : StructuredObjective
    minimum, begin : ndarray, shape (m,)
        Where one is, and the first of `starts_of`.
    rows : int
        Number of rows of the data.
    """
    model, y_scale = objective.model, objective.products.y_scale
    if rows > MANY_ROWS * model.size:
        return []
    end, sigma = objective.split(minimum)
    at_edge = objective.sigma is None and sigma < LEAST_SIGMA * y_scale
    elsewhere = load("fitting.structured.starts_off_the_edge:")
    structures = [(part.phi, part.free, part.group) for part in model.parts]
    if not (at_edge or elsewhere.is_at_edge(structures, end, begin)):
        return []
    middle = objective.join(end, 0.5 * y_scale if at_edge else sigma)
    return cast(
        "list[Array]",
        elsewhere.starts_off_the_edge(
            structures, middle, begin, lambda z: bool(np.isfinite(objective.value(z)))
        ),
    )


def off_zero(objective: StructuredObjective, z: Array, value: float) -> Array | None:
    """Return z with a larger sigma, if that has vanished and the objective is lower there.

    No derivative in log sigma leads away from zero.

    Parameters
    ----------
    objective : StructuredObjective
    z : ndarray, shape (m,)
        Where a search ended.
    value : float
        The objective there.
    """
    x, sigma = objective.split(z)
    y_scale = objective.products.y_scale
    if objective.sigma is not None or sigma >= LEAST_SIGMA * y_scale:
        return None
    raised = objective.join(x, RAISED_SIGMA * y_scale)
    return raised if objective.value(raised) < value else None


def _with_large_effects(
    objective: StructuredObjective,
    minimum: Minimum,
    begin: Array,
    design: Design,
    sizes: list[Array],
    descend: Callable[[Array], Minimum],
) -> Minimum:
    """Return the lower of a minimum and of those with large effects of columns nearly one."""
    large = load("fitting.structured.large_effects:")
    _, sigma = objective.split(minimum.end)
    terms = large.terms_nearly_one(design, objective.model, [sigma / size for size in sizes])
    return cast(
        "Minimum",
        large.lower_with_large_effects(minimum, [begin], terms, objective.scaled, descend),
    )


def check_start(model: CovarianceModel, start: Array) -> None:
    """Refuse a start that is not one number, within its bounds, for each parameter."""
    names = [
        f"{part.group}.{part.structure.name}.{name}"
        for part in model.parts
        for name in part.structure.read().names
    ]
    if start.shape != (model.size,) or not np.isfinite(start).all():
        raise OptionError(
            f"start= must hold {model.size} finite numbers, for {', '.join(names)}; it has shape "
            f"{start.shape}."
        )
    bounds = np.concatenate(
        [np.asarray(part.structure.read().bounds, float).reshape(-1, 2) for part in model.parts]
    )
    for name, value, (low, high) in zip(names, start, bounds, strict=True):
        if not low <= value <= high:
            raise OptionError(f"start={value:g} for {name} is not between {low:g} and {high:g}.")


def _profiled(objective: StructuredObjective, x: Array) -> float:
    """Return a sigma to start from beside given covariances."""
    products = objective.products
    candidates = products.y_scale * np.array([1.0, 0.5, 0.25, 0.1])
    values = [objective.solve(objective.join(x, sigma))[0] for sigma in candidates]
    return float(candidates[int(np.nanargmin(np.where(np.isnan(values), np.inf, values)))])


def bounds_in_words(model: CovarianceModel, phi: Array, sizes: list[Array]) -> tuple[str, ...]:
    """Say which parameters are at the ends of their ranges."""
    found = []
    for part in model.parts:
        own = phi[part.phi]
        names, _, bounds, scales, _ = part.structure.read()
        limits = np.asarray(bounds, float)
        at = part.free.coordinates.at_bounds(own)
        where = f"{part.structure.name}() of {part.group!r}"
        for i, name in enumerate(names):
            if at[i]:
                value = limits[i, 0 if at[i] < 0 else 1]
                found.append(f"{name} of {where} is at the end of its range, {value:.4g}.")
            elif i in scales and limits[i, 0] == 0:
                part_size = sizes[part.block][part.columns]
                relative = abs(own[i]) * float(part_size.max())
                sigma = np.sqrt(np.max(np.diag(part.of_effects(phi)))) or 1.0
                if relative < 1e-6 * sigma or own[i] == 0:
                    found.append(f"{name} of {where} is zero.")
        found += _far_ranges(part, names, own, where)
    return tuple(found)


def _far_ranges(part: CovariancePart, names: Sequence[str], own: Array, where: str) -> list[str]:
    """Say which ranges are so long that correlations have no end within the data."""
    if part.structure.needs != "coordinates" or "range" not in names:
        return []
    positions = part.structure.positions
    places = positions.reshape(-1, positions.shape[-1])
    apart = float(np.ptp(places, axis=0).max(initial=0.0))
    length = float(own[list(names).index("range")])
    if not length > FAR * apart > 0:
        return []
    return [
        f"range of {where} is {length / apart:.1e} times the largest distance: the data show no "
        "end of the correlation, and of standard deviation and range they determine a ratio."
    ]


def report_of(
    minimum: Minimum,
    log: Array,
    end: Array,
    value: float,
    gradient: Array,
    failure: str = "The objective cannot be evaluated at the start.",
) -> FitReport:
    """Say what happened in the words of all fits.

    Parameters
    ----------
    minimum : Minimum
    log : ndarray, shape (evaluations, n_theta)
        Its points in the parameters of a report.
    end : ndarray, shape (n_theta,)
    value : float
        The objective there.
    gradient : ndarray
    failure : str
        What is said where the search could not begin.
    """
    message = failure if minimum.status == "FAILURE" else _MESSAGES[minimum.status]
    if not minimum.converged and np.isfinite(minimum.decrement):
        message += (
            f" The local quadratic model still promises a decrease of {minimum.decrement:.2g} in "
            "the objective; try another start=."
        )
    return FitReport(
        optimizer="newton",
        status=minimum.status,
        message=message,
        converged=minimum.converged and minimum.decrement <= CONVERGED_DECREMENT,
        start=log[0],
        end=end,
        initial_objective=float(minimum.values[0]),
        objective=value,
        evaluations=minimum.evaluations,
        gradient=gradient,
        gradient_norm=minimum.decrement,
        hessian_min_eigenvalue=minimum.min_eigenvalue,
        failed_evaluations=minimum.failures,
        fitlog_theta=log,
        fitlog_objective=minimum.values,
    )
