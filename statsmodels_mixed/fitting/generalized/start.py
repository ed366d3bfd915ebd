"""Where a generalized fit starts: the coefficients of the model without random effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import lapack
from statsmodels.genmod.families.links import Power

from ..._core import CoreGeneralized
from ..._typing import Array
from ...errors import CoreError, OptionError
from ...frame.design import Design
from ...frame.table.columns import surely_finite
from ..families.spec import FamilySpec, shared_family
from ..fixed_effects.basis import FixedBasis
from ..linear.unbounded import POWERS
from ..search.optimize import FitOptions, FitReport, minimize
from .approximation import Approximation

__all__ = [
    "Start",
    "default_start",
    "given_coefficients",
    "given_parameters",
    "glm_coefficients",
    "minimize_from",
    "predictor_of",
    "put_parameters",
    "start_at",
    "start_dispersion",
    "usable_coefficients",
]


# Rough coefficients are enough for a start; separated data never settle.
_MAX_ITERATIONS = 25
_TOLERANCE = 1e-6
# Share of the information at the mean response below which a start has run off with separated data.
LITTLE = 1e-4
# Residuals this many times larger than the family says call for larger random effects.
FAR_ABOVE = 10.0
# Moment estimates of alpha this many times larger than pooled ones are those of a few rows.
UNLIKELY = 10.0
# How often theta is divided by ten when the start cannot be evaluated.
SHRINKAGES = 4
# Information on some combination of coefficients, beside that on others, that is hardly any.
HARDLY_ANY = 1e-3


class Start(NamedTuple):
    """Parameters of a model without random effects.

    Attributes
    ----------
    gamma : ndarray, shape (p,)
        Coefficients of Q.
    zeta : list of float
        The log dispersion, if there is one.
    unit : float
        The change in the linear predictor that one row can detect: the inverse root of its
        mean information.
    excess : float
        How many times larger residuals are than the family says; see `excess_of`.
    objective : float
        Minus twice the log-likelihood there; infinite where it cannot be evaluated.
    """

    gamma: Array
    zeta: list[float]
    unit: float
    excess: float
    objective: float


def glm_coefficients(
    Q: Array, y: Array, family: Any, weights: Array | None, offset: Array | None
) -> Array:
    """Fit a generalized linear model by iteratively reweighted least squares.

    Parameters
    ----------
    Q : ndarray, shape (n, p)
        Orthogonal columns.
    y : ndarray, shape (n,)
    family : statsmodels family
    weights, offset : ndarray, shape (n,), or None

    Returns
    -------
    gamma : ndarray, shape (p,)
        Coefficients of Q; NaN where the steps went astray, as they may for other links than
        the canonical one.
    """
    link, zero = family.link, _least_size(family)
    shift = np.zeros(len(y)) if offset is None else offset
    with np.errstate(all="ignore"):
        mu = family.starting_mu(y)
        eta = link(mu)
        if not Q.shape[1]:
            return np.empty(0)
        gamma: Array = np.zeros(Q.shape[1])
        for _ in range(_MAX_ITERATIONS):
            slope = link.deriv(mu)
            working = 1.0 / (slope * slope * family.variance(mu))
            if weights is not None:
                working = working * weights
            target = eta - shift + (y - mu) * slope
            if not (working.min() > 0 and surely_finite(working) and surely_finite(target)):
                usable = np.isfinite(working) & np.isfinite(target) & (working > 0)
                working, target = (np.where(usable, each, 0.0) for each in (working, target))
            weighted = Q * working[:, None]
            normal: Array = weighted.T @ Q
            normal.flat[:: len(normal) + 1] *= 1.0 + 1e-12  # separated data lose rank
            right = weighted.T @ target
            step: Array
            _, _, step, singular = lapack.dgesv(normal, right)
            if singular:
                # Steps that were too long have led to means at which no row is informative.
                return np.full(len(gamma), np.nan)
            change = float(np.abs(step - gamma).max() / (zero + np.abs(step).max()))
            gamma = step
            eta = Q @ gamma + shift
            mu = link.inverse(eta)
            if change < _TOLERANCE:
                break
    return gamma


def _least_size(family: Any) -> float:
    """Return what changes of coefficients are never large beside; powers of means have units."""
    return 0.0 if isinstance(family.link, Power) else 1.0


def _coefficients(
    Q: Array, design: Design, spec: FamilySpec, family: Any, core: CoreGeneralized | None
) -> Array:
    """Return what `glm_coefficients` does, from the core where its information is the expected one.

    That of families of our own is the observed one.
    """
    if core is None or spec.own or not Q.shape[1]:
        return glm_coefficients(Q, design.y, family, design.weights, design.offset)
    with np.errstate(all="ignore"):
        eta = family.link(family.starting_mu(design.y))
    gamma = core.without_effects(eta, _least_size(family))
    return np.full(Q.shape[1], np.nan) if gamma is None else gamma


def predictor_of(Q: Array, gamma: Array, design: Design) -> Array:
    """Return Q gamma + offset, shape (n,).

    Parameters
    ----------
    Q : ndarray, shape (n, p)
    gamma : ndarray, shape (p,)
    design : Design
    """
    eta: Array = Q @ gamma
    return eta if design.offset is None else eta + design.offset


def _means(Q: Array, design: Design, family: Any, gamma: Array) -> Array:
    """Return means of the rows; the mean response where there are no coefficients."""
    if not np.isfinite(gamma).all():
        return np.full(len(design.y), np.mean(design.y))
    eta = predictor_of(Q, gamma, design)
    with np.errstate(all="ignore"):
        return np.asarray(family.link.inverse(eta), dtype=float)


def start_dispersion(
    spec: FamilySpec, y: Array, mu: Array, family: Any, weights: Array | None = None
) -> float:
    """Return a moment estimate of phi, or of alpha for the negative binomial.

    Where means were not reached, as with links that leave the range, that about the mean response.
    """
    for means in (mu, np.full(len(y), np.mean(y))):
        with np.errstate(all="ignore"):
            moment = _moment(spec, y, means, family, weights)
        if np.isfinite(moment) and (moment > 0 or not spec.scaled):
            break
    else:
        return 1.0
    if spec.scaled:
        return moment
    # Only the lognormal's dispersion has units, those of the response.
    unit = float(np.mean(y)) if spec.support == "positive" else 1.0
    least = 1e-3 if spec.own else 1e-4
    return min(max(moment, least * unit), 1e4 * unit)


def _moment(spec: FamilySpec, y: Array, mu: Array, family: Any, weights: Array | None) -> float:
    if spec.own:
        return float(family.start_dispersion(y, mu, weights))
    if spec.family == "negative_binomial":
        excess = (y - mu) ** 2 - mu
        moment = float(np.average(excess / mu**2, weights=weights))
        pooled = float(np.average(excess, weights=weights) / np.average(mu**2, weights=weights))
        # Rows of almost no exposure have all the weight in the first, and say nothing about alpha.
        return pooled if abs(moment) > UNLIKELY * max(abs(pooled), 1.0) else moment
    # Cubes of means may be beyond the range of numbers: in units of the response.
    unit = float(np.mean(np.abs(y)))
    squares = ((y - mu) / unit) ** 2 / family.variance(mu / unit)
    moment = float(np.mean(squares if weights is None else weights * squares))
    return moment * unit ** (2 - POWERS[spec.family])


def default_start(
    Q: Array,
    design: Design,
    spec: FamilySpec,
    core: CoreGeneralized | None = None,
    rows: int | None = None,
) -> Start:
    """Return the parameters of the model without random effects.

    Parameters
    ----------
    Q : ndarray, shape (n, p)
        Q'Q = n I.
    design : Design
    spec : FamilySpec
    core : CoreGeneralized, optional
        Of the model, with Q for its columns.
    rows : int, optional
        Number of rows of the data, where weights are numbers of rows that are alike.
    """
    family = shared_family(spec)
    gamma = _coefficients(Q, design, spec, family, core)
    zeta: list[float] = []
    if spec.has_dispersion:
        mu = _means(Q, design, family, gamma)
        zeta = [float(np.log(start_dispersion(spec, design.y, mu, family, design.weights)))]
    with np.errstate(all="ignore"):
        level = float(family.link(np.mean(family.starting_mu(design.y))))
    return usable_coefficients(
        spec,
        Q,
        design.y,
        gamma,
        level,
        weights=design.weights,
        offset=design.offset,
        zeta=zeta,
        rows=rows,
    )


def usable_coefficients(
    spec: FamilySpec,
    Q: Array,
    y: Array,
    gamma: Array,
    level: float,
    *,
    weights: Array | None,
    offset: Array | None,
    zeta: list[float],
    rows: int | None = None,
) -> Start:
    """Move coefficients towards a constant until every row has a likelihood.

    Separated data drive coefficients to infinity, and links such as the identity admit
    linear predictors that are no means.

    Parameters
    ----------
    spec : FamilySpec
    Q : ndarray, shape (n, p)
        Q'Q = n I.
    y : ndarray, shape (n,)
    gamma : ndarray, shape (p,)
    level : float
        Linear predictor of the mean response.
    weights, offset : ndarray, shape (n,), or None
    zeta : list of float
        The log dispersion, if there is one.
    rows : int, optional
        Number of rows of the data, where weights are numbers of rows that are alike.
    """
    count = rows or len(y)
    shift = 0.0 if offset is None else offset
    constant = Q.T @ (np.full(len(y), level) - shift) / len(y)
    gamma = np.where(np.isfinite(gamma), gamma, constant)

    def row_information(trial: Array) -> tuple[float, float, float]:
        """Return the log-likelihood, the mean information of a row, and the excess."""
        with np.errstate(all="ignore"):
            at_trial = spec.rows(
                y,
                Q @ trial + shift,
                weights=weights,
                zeta=zeta[0] if zeta else 0.0,
                wanted=("loglik", "l", "w"),
            )
            total, mean = float(at_trial["loglik"].sum()), float(at_trial["w"].sum()) / count
        possible = np.isfinite(total) and 0 < mean < np.inf
        return (total, mean, excess_of(at_trial, count)) if possible else (-np.inf, 0.0, 1.0)

    # Rows that separate completely have almost no information and would make the unit enormous.
    worst, constant_information, _ = row_information(constant)
    least = LITTLE * constant_information if spec.family == "binomial" else 0.0
    for share in (1.0, 0.5, 0.2, 0.05, 0.0):
        trial: Array = share * gamma + (1.0 - share) * constant
        reached, found, excess = row_information(trial)
        # Steps without a line search may have ended anywhere, as far as 1e12.
        if found > least and reached >= worst:
            return Start(trial, zeta, 1.0 / float(np.sqrt(found)), excess, -2.0 * reached)
    return Start(gamma, zeta, 1.0, 1.0, np.inf)


def excess_of(rows: Mapping[str, Array], count: int) -> float:
    """Return how many times larger residuals are than the family says: what random effects explain.

    Parameters
    ----------
    rows : mapping of str to ndarray, shape (n,)
        ``"l"`` and ``"w"`` of `family_rows`.
    count : int
        Number of rows of the data.

    Returns
    -------
    float
        The root mean square of Pearson residuals, where it is far above 1, as it is of counts of
        millions; 1 elsewhere.
    """
    with np.errstate(all="ignore"):
        mean = float((rows["l"] ** 2 / rows["w"]).sum()) / count
    return float(np.sqrt(mean)) if FAR_ABOVE**2 < mean < np.inf else 1.0


def given_coefficients(basis: FixedBasis, coefficients: Array) -> Array:
    """Return the coefficients of Q for those of the estimable columns that a user starts from.

    Raises
    ------
    OptionError
        If there is not one for each estimable column.
    """
    if len(coefficients) != len(basis.R):
        raise OptionError(
            f"start_params= must hold {len(basis.R)} coefficients, one for each estimable column, "
            f"not {len(coefficients)}."
        )
    return np.asarray(basis.R @ coefficients)


def given_parameters(start: ArrayLike, ntheta: int, count: int) -> Array:
    """Return what a user starts from: theta alone, or all parameters.

    Parameters
    ----------
    start : array_like
    ntheta, count : int
        Numbers of theta, and of all parameters.

    Raises
    ------
    OptionError
        If it is neither.
    """
    given = np.array(start, dtype=float)
    if given.shape not in ((ntheta,), (count,)) or not np.all(np.isfinite(given)):
        raise OptionError(
            f"start= must hold {ntheta} finite numbers for theta, or {count} for all parameters; "
            f"it has shape {given.shape}."
        )
    return given


def start_at(problem: Approximation, begin: Array, coefficients: Array) -> None:
    """Put coefficients into a start.

    Raises
    ------
    OptionError
        If there is not one for each estimable column.
    """
    gamma = given_coefficients(problem.basis, coefficients)
    if problem.fast:
        problem.core.set_beta(gamma)
    else:
        begin[problem.beta] = gamma


def put_parameters(problem: Approximation, begin: Array, start: Array) -> None:
    """Put theta, or all parameters, into a start.

    Raises
    ------
    OptionError
        If their number is another one.
    """
    given = given_parameters(start, problem.ntheta, len(begin))
    if len(given) == len(begin):
        given = problem.to_working(given)
    begin[: len(given)] = given


def minimize_from(
    problem: Approximation, begin: Array, spec: FamilySpec, options: FitOptions
) -> FitReport:
    """Minimize from a start, which is moved in place until it can be evaluated.

    Raises
    ------
    OptionError
        If it cannot.
    CoreError
        If it can and the run fails.
    """
    try:
        return minimize(problem.core, begin, options)
    except CoreError:
        if not _shrink_to_finite(problem, begin, spec):
            raise
    return minimize(problem.core, begin, options)


def _shrink_to_finite(problem: Approximation, begin: Array, spec: FamilySpec) -> bool:
    """Move the start until it has a value and information; return whether it had none."""
    for attempt in range(SHRINKAGES):
        value, gradient = problem.core.value_and_gradient(begin)
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            begin[: problem.ntheta] *= 0.1  # links that bound eta bear small random effects
        elif len(begin[problem.beta]) and not _is_informed(problem):
            begin[problem.beta] *= 0.5  # rows that separate have hardly any information so far out
        else:
            return attempt > 0
    raise OptionError(
        f"the likelihood of the {spec.family} family with the {spec.link} link cannot be "
        "evaluated at the start; give other values by start= or start_params=, or use another "
        "link."
    )


def _is_informed(problem: Approximation) -> bool:
    """Return whether all coefficients have information where the model is solved."""
    try:
        information = problem.core.curvature()[problem.beta, problem.beta]
    except CoreError:
        return False
    size = np.sqrt(np.diag(information))
    with np.errstate(all="ignore"):
        scaled = information / np.outer(size, size)
    return bool(np.isfinite(scaled).all() and np.linalg.eigvalsh(scaled)[0] > HARDLY_ANY)
