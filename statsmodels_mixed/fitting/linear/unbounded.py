"""Linear likelihoods without a maximum: the residual variance tends to zero.

As sigma -> 0 with the variances of the random effects held, -2 log-likelihood is

    (n - rank Z) log sigma^2 + [(y - X beta)'V^-1 (y - X beta) = O(1 / sigma^2) or O(1)],

where the second part stays bounded when some X beta + Z b equals y. It is then without bound
when n > rank Z; the REML criterion when n > rank [X Z]. So it is with rows that are copies of
others, with a response that is constant within levels, and where fixed effects explain all
differences within levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from ..._core import VANISHED, CoreWorkspace
from ..._typing import Array
from ...errors import DataError
from ...frame.design import Design, RandomBlock
from ...later import load
from ..crossprod import Crossproducts
from ..crossproduct_criterion import CrossproductCriterion
from ..families.spec import FamilySpec
from ..search.optimize import FitReport
from ..search.second_start import spread_of_errors
from .penalized_least_squares import solve

__all__ = [
    "CONTINUOUS",
    "POWERS",
    "is_constant_within",
    "refuse_constant_within",
    "refuse_unbounded",
    "refuse_vanished",
    "vanishes",
    "with_rounding",
    "with_small_dispersion",
]


# Standard deviations of the random effects over sigma at which the criterion is asymptotic; times
# the largest standard deviation of a row over the least, where a few rows alone may show an effect.
LARGE = 1e4
# A share of the response that is more than rounding errors leave there, and more than what effects
# below LARGE sqrt(LEFT) times the response leave, if they reproduce it.
LEFT = 1e-3
# Shares of the response that are worth asking what is left of them.
SMALL = 1e-3
# How much farther out the criterion is asked whether it rises: at any of these, for rounding
# errors of effects that large grow as their squares.
BEYOND = (1e3, 1e2, 10.0)
# Shares of the effects beside which sigma is rounding errors, where the criterion is asked whether
# it falls to there: of effects that large, its own decide at one of them.
NEAR_THE_END = (0.1, 0.05, 0.03)
# A share of the penalized sum of squares that is all of it.
ALL = 0.99
# A change of the criterion that says nothing.
NOTHING = 1e-5
# Residuals that are this many times those of rounding still have wrong digits.
UNCERTAIN = 32.0
# Families whose dispersion may tend to zero, with the power of the mean in their variance.
POWERS = {"gaussian": 0, "gamma": 2, "inverse_gaussian": 3}
# What responses with a density are; see `FamilySpec.support`.
CONTINUOUS = ("real", "positive", "not negative", "shares", "shares and ends")
# With at most this number of columns of random effects each subset of them is examined.
MOST_COLUMNS = 6
# Numbers that differ by less than this share are equal but for rounding.
CONSTANT = 1e-13


def refuse_unbounded(criterion: CrossproductCriterion) -> None:
    """Make sure that the criterion does not fall for ever as sigma tends to zero.

    What large effects leave of the response decides for most models, and is asked only with hardly
    more rows than effects: where the response is constant within levels of many rows, minimization
    itself goes there; see `refuse_vanished`.

    Parameters
    ----------
    criterion : CrossproductCriterion
        With sigma profiled out.

    Raises
    ------
    DataError
        If it does.
    """
    products, design, reml = criterion.products, criterion.design, criterion.reml
    if products.n > 2 * (products.rank + products.workspace.design.q):
        return
    if design.is_related:
        # What columns reproduce does not depend on the covariance of the levels, if it has full
        # rank: without it the matrices are sparse, those of pedigrees are not.
        alone = tuple(replace(block, related=None) for block in design.blocks)
        products = CrossproductCriterion.of(replace(design, blocks=alone), reml, None).products
    workspace = products.workspace
    identity = workspace.identity()
    end = 0.1 * products.y_scale / products.rounding
    large = min(LARGE * 10.0 ** spread_of_errors(design.weights), 0.1 * end)
    if not workspace.design.by_factors and workspace.share_left(large * identity) > LEFT:
        return
    # What some columns reproduce all reproduce; only with no fewer effects than rows does the
    # criterion not show it then.
    saturated = products.n <= products.rank + workspace.design.q
    sizes: Iterable[Array] = _subsets(identity) if saturated else (identity,)
    if saturated and not workspace.design.by_factors:
        lower = load("fitting.search.effects_of_lower_rank:of_lower_rank")
        sizes = chain(sizes, lower(design, design.X[:, products.basis.columns], reml))
    for size in sizes:
        if _falls(workspace, large * size) and any(
            _falls_to_rounding(products, share * end * size) for share in NEAR_THE_END
        ):
            raise DataError(_reason(design))


def _subsets(identity: Array) -> Iterator[Array]:
    """Yield T with all of its columns, then with some: these alone may reproduce the response."""
    columns = np.flatnonzero(identity)
    yield identity
    if len(columns) > MOST_COLUMNS:
        return
    for number in range(len(columns) - 1, 0, -1):
        for some in combinations(columns, number):
            size = np.zeros_like(identity)
            size[list(some)] = identity[list(some)]
            yield size


def _falls(workspace: CoreWorkspace, theta: Array) -> bool:
    """Return whether the criterion falls as 2 log t or faster, from theta to 10 theta."""
    return bool(workspace.value(10.0 * theta) < workspace.value(theta) - np.log(10.0))


def _falls_to_rounding(products: Crossproducts, theta: Array) -> bool:
    """Return whether the criterion falls from theta to where residuals are rounding errors.

    With weights that differ widely they may be much larger at a theta where others have vanished,
    and some hundred times larger where the criterion still falls to a minimum.
    """
    workspace = products.workspace
    while _falls(workspace, theta):
        theta = 10.0 * theta
        workspace.value_and_gradient(theta)
        if not solve(products).sigma > UNCERTAIN * products.rounding:
            return True
    return False


def refuse_vanished(products: Crossproducts, design: Design, theta: Array, sigma: float) -> None:
    """Make sure that an estimate of sigma is not on its way to zero.

    It is when it is made of rounding errors of the response, or when the criterion no longer
    rises as theta does. Leaves the workspace solved at theta.

    Parameters
    ----------
    products : Crossproducts
        With its workspace solved at theta.
    design : Design
    theta : ndarray, shape (n_theta,)
        Where the criterion is least.
    sigma : float
        The estimate there.

    Raises
    ------
    DataError
        If it is.
    """
    structured = design.is_structured
    if vanishes(products, theta, sigma, structured) or _repeats(products, design, sigma):
        raise DataError(_reason(design))


def _repeats(products: Crossproducts, design: Design, sigma: float) -> bool:
    """Return whether sigma is small in a model with structures whose response repeats itself.

    Correlations of the structures tend to 1 as sigma tends to zero, and a search may end anywhere
    on the way.
    """
    if not design.is_structured or sigma > SMALL * products.y_scale:
        return False
    y = design.y_less_offset
    everywhere = slice(None)
    repeated = _with_several_rows(design.blocks, everywhere)
    return _constant_within(design, repeated, y, everywhere) is not None


def vanishes(products: Crossproducts, theta: Array, sigma: float, structured: bool = False) -> bool:
    """Return whether an estimate of sigma is on its way to zero; see `refuse_vanished`."""
    if sigma > SMALL * products.y_scale:
        return False
    workspace = products.workspace
    least = workspace.value(theta)
    falls = any(workspace.value(times * theta) <= least + NOTHING for times in BEYOND)
    workspace.value_and_gradient(theta)
    return falls or not (sigma > products.rounding or (structured and _is_of_effects(products)))


def _is_of_effects(products: Crossproducts) -> bool:
    """Return whether sigma is all of random effects, where the workspace is solved.

    As where structures have effects of rows: sigma may be zero then, and is no rounding error of
    the response.
    """
    solution = products.workspace.solution()
    return bool(solution.u @ solution.u > ALL * solution.pwrss)


def with_rounding(report: FitReport, products: Crossproducts, sigma: float) -> FitReport:
    """Return the report of a fit; residuals with few digits are not estimates."""
    if sigma > UNCERTAIN * products.rounding:
        return report
    message = (
        "The residuals are hardly larger than rounding errors of the response: the residual "
        "variance and what depends on it have wrong digits."
    )
    return replace(report, converged=False, message=message)


def refuse_constant_within(design: Design, spec: FamilySpec) -> None:
    """Make sure that the response of a generalized model varies within some level.

    Counts and proportions of trials always vary. The ends of a scale and zeros with a part of their
    own have probabilities, not densities, and do not count.

    Raises
    ------
    DataError
        If it is constant within all levels of a grouping factor.
    """
    if spec.support not in CONTINUOUS:
        return
    y, rows = design.y, np.ones(design.nobs, dtype=bool)
    if spec.zeros:
        rows &= y != 0.0
    if spec.support == "shares and ends":
        rows &= (y > 0.0) & (y < 1.0)
    blocks = [block for block in design.blocks if not block.part]
    if spec.family not in POWERS:  # one row of a level has no infinite density
        blocks = _with_several_rows(blocks, rows)
    name = _constant_within(design, blocks, y, rows)
    if name is not None:
        raise DataError(
            f"the response {design.response_name!r} does not vary within the levels of {name!r}: "
            "the dispersion tends to zero and the likelihood has no maximum; take one row of "
            "each level."
        )


def with_small_dispersion(
    report: FitReport, design: Design, spec: FamilySpec, fitted: Array, phi: float
) -> FitReport:
    """Return the report of a generalized fit; where the dispersion vanishes it has not converged.

    Parameters
    ----------
    report : FitReport
    design : Design
    spec : FamilySpec
        Its variance is phi times a power of the mean.
    fitted : ndarray, shape (n,)
        Means of the rows.
    phi : float
        The dispersion.
    """
    unit, power = float(np.mean(np.abs(design.y))), POWERS[spec.family]
    with np.errstate(over="ignore", invalid="ignore"):  # cubes may be beyond the range of numbers
        shape = np.abs(fitted / unit) ** power
        if design.weights is not None:  # variances are phi V / w
            kept = design.weights > 0
            shape = shape[kept] / design.weights[kept]
        left = phi * unit ** (power - 2) * float(np.mean(shape))
    if not left <= VANISHED * float(np.var(design.y / unit)):
        return report
    message = (
        f"The dispersion, {phi:.2g}, is nearly zero beside the differences of means: rounding "
        "errors hide what is left of the response."
    )
    return replace(report, converged=False, message=message)


def _with_several_rows(
    blocks: Sequence[RandomBlock], rows: NDArray[np.bool_] | slice
) -> list[RandomBlock]:
    """Return the blocks of which some level has several of the rows."""
    return [block for block in blocks if np.bincount(block.refs[rows], minlength=1).max() > 1]


def _constant_within(
    design: Design, blocks: Sequence[RandomBlock], y: Array, rows: NDArray[np.bool_] | slice
) -> str | None:
    """Return the name of the block within whose levels y of some rows is constant, if any."""
    if design.reduced is not None:
        return None  # rows that were rotated do not have the response as it was
    y = y[rows]
    for block in blocks:
        if is_constant_within(y, block.refs[rows], block.n_levels):
            return block.name
    return None


def is_constant_within(y: Array, refs: NDArray[np.integer], n_levels: int) -> bool:
    """Return whether numbers are the same within every level, but for rounding.

    Parameters
    ----------
    y : ndarray, shape (n,)
    refs : ndarray of int, shape (n,)
        The level of each row.
    n_levels : int
    """
    highest = np.full(n_levels, -np.inf)
    np.maximum.at(highest, refs, y)
    return bool(np.all(highest[refs] - y <= CONSTANT * np.abs(y).max(initial=0.0)))


def _reason(design: Design) -> str:
    y = design.y_less_offset
    name = _constant_within(design, design.blocks, y, slice(None))
    if name is not None:
        return (
            f"the response {design.response_name!r} does not vary within the levels of {name!r}: "
            "the residual variance tends to zero and the likelihood has no maximum; take one row "
            "of each level, or give sigma="
        )
    names = " and ".join(repr(block.name) for block in design.blocks)
    return (
        f"the fixed effects and the random effects of {names} reproduce the response "
        f"{design.response_name!r} exactly: the residual variance tends to zero and the "
        "likelihood has no maximum; leave out rows that are copies, or effects, or give sigma="
    )
