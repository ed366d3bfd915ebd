"""Linear likelihoods without a maximum: the residual variance tends to zero.

As sigma -> 0 with the variances of the random effects held, -2 log-likelihood is

    (n - rank Z) log sigma^2 + [(y - X beta)'V^-1 (y - X beta) = O(1 / sigma^2) or O(1)],

where the second part stays bounded when some X beta + Z b equals y. It is then without bound
when n > rank Z; the REML criterion when n > rank [X Z]. So it is with rows that are copies of
others, with a response that is constant within levels, and where fixed effects explain all
differences within levels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace
from ..errors import DataError
from ..frame.design import Design
from .crossprod import Crossproducts
from .optimize import FitReport

__all__ = ["refuse_unbounded", "refuse_vanished", "with_rounding"]

Array = NDArray[np.float64]

# Standard deviations of the random effects over sigma at which the criterion is asymptotic.
LARGE = 1e4
# Shares of the response that are worth asking what is left of them.
SMALL = 1e-3
# A change of the criterion that says nothing.
NOTHING = 1e-5
# Residuals that are this many times those of rounding still have wrong digits.
UNCERTAIN = 32.0


def refuse_unbounded(products: Crossproducts, design: Design, identity: Array) -> None:
    """Make sure that the criterion does not fall for ever as sigma tends to zero.

    Two evaluations tell most models, and only those are asked that have hardly more rows than
    effects: where the response is constant within levels of many rows, minimization itself
    goes there; see `refuse_vanished`.

    Parameters
    ----------
    products : Crossproducts
        With its criterion chosen, sigma profiled out.
    design : Design
    identity : ndarray, shape (n_theta,)
        Identity T in units of the columns of Z.

    Raises
    ------
    DataError
        If it does.
    """
    workspace = products.workspace
    if products.n > 2 * (products.rank + workspace.design.q):
        return
    end = 0.1 * products.y_scale / products.rounding
    if _falls(workspace, LARGE * identity) and _falls(workspace, 0.1 * end * identity):
        raise DataError(_reason(design))


def _falls(workspace: CoreWorkspace, theta: Array) -> bool:
    """Tell whether the criterion falls as 2 log t or faster, from theta to 10 theta."""
    return bool(workspace.value(10.0 * theta) < workspace.value(theta) - np.log(10.0))


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
    if sigma > SMALL * products.y_scale:
        return
    workspace = products.workspace
    least = workspace.value(theta)
    beyond = workspace.value(theta / SMALL)
    if not sigma > products.rounding or beyond <= least + NOTHING:
        raise DataError(_reason(design))
    workspace.value_and_gradient(theta)


def with_rounding(report: FitReport, products: Crossproducts, sigma: float) -> FitReport:
    """Return the report of a fit; residuals with few digits are not estimates."""
    if sigma > UNCERTAIN * products.rounding:
        return report
    message = (
        "The residuals are hardly larger than rounding errors of the response: the residual "
        "variance and what depends on it have wrong digits."
    )
    return replace(report, converged=False, message=message)


def _reason(design: Design) -> str:
    y = design.y if design.offset is None else design.y - design.offset
    for block in design.blocks:
        highest = np.full(len(block.levels), -np.inf)
        np.maximum.at(highest, block.refs, y)
        if np.all(highest[block.refs] - y <= 1e-13 * np.abs(y).max()):
            return (
                f"the response {design.response_name!r} does not vary within the levels of "
                f"{block.name!r}: the residual variance tends to zero and the likelihood has no "
                "maximum; take one row of each level, or give sigma="
            )
    names = " and ".join(repr(block.name) for block in design.blocks)
    return (
        f"the fixed effects and the random effects of {names} reproduce the response "
        f"{design.response_name!r} exactly: the residual variance tends to zero and the "
        "likelihood has no maximum; leave out rows that are copies, or effects, or give sigma="
    )
