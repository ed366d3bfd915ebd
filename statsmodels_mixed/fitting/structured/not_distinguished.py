"""Terms with covariance structures that the data do not distinguish.

With a row for each effect a variance that all effects share cannot be distinguished from that of
the residuals, for any response: Var(y) does not change in some direction of the parameters, and no
information is there. What is so at one place inside the ranges of the parameters is so at all of
them; at an estimate, which may be at the end of a range, information vanishes for other reasons.
"""

from __future__ import annotations

import numpy as np

from ..._typing import Array
from .covariance_model import CovarianceModel, CovariancePart
from .objective import StructuredObjective

__all__ = ["not_distinguished"]


# Information of less than this share of that of other directions, in units of these, is none.
NOTHING = 1e-11
# Share of a parameter in a direction that is more than rounding.
SHARE = 1e-3
# Structures whose effects are less alike the farther they are apart. Beside the residuals they
# are identified as soon as there are three distances.
FADING = ("ar1", "ou", "exp", "gau", "mat", "ratio", "spher")


def not_distinguished(
    objective: StructuredObjective, sizes: list[Array], sigma: float
) -> tuple[str, ...]:
    """Return a sentence if some terms are confounded with one another or with the residuals.

    Parameters
    ----------
    objective : StructuredObjective
    sizes : list of ndarray
        Typical sizes of the columns of Z, by grouping factor.
    sigma : float
        The residual standard deviation.
    """
    model = objective.model
    if not _is_suspicious(model):
        return ()
    information = objective.average_information(_inside(objective, sizes, sigma))
    diagonal = np.diag(information)
    if not (np.isfinite(information).all() and (diagonal > 0).all()):
        return ()
    size = np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    flat = vectors[:, values < NOTHING * values[-1]]
    touched = np.abs(flat).max(axis=1, initial=0.0) > SHARE
    terms = [
        f"{part.structure.name}() of {part.group!r}"
        for part in model.parts
        if touched[part.phi].any()
    ]
    if not terms:
        return ()
    if touched[model.size :].any():
        return (
            f"the variances of {' and '.join(terms)} cannot be distinguished from the residual "
            "variance",
        )
    return (f"the variances of {' and '.join(terms)} cannot be distinguished from one another",)


def _is_suspicious(model: CovarianceModel) -> bool:
    """Return whether terms may be confounded with one another or with the residuals."""
    if any(not part.structure.definite for part in model.parts):
        return False  # loadings may be rotated
    alone = [_is_fading(part) for part in model.parts]
    return len({part.block for part in model.parts}) < len(alone) or not all(alone)


def _is_fading(part: CovariancePart) -> bool:
    structure = part.structure
    has_nugget = any("nugget" in name for name in structure.read().names)
    return structure.name in FADING and structure.k > 2 and not has_nugget


def _inside(objective: StructuredObjective, sizes: list[Array], sigma: float) -> Array:
    """Return coordinates inside all ranges, where no parameter has a value of its own."""
    model = objective.model
    last = model.starts([sigma / each for each in sizes])[-1]
    units = np.where(np.isinf(model.longest(model.x(last))), np.abs(model.x(last)), 1.0)
    x = model.x(last) + 0.2 * units * np.cos(1.0 + np.arange(model.size))
    return objective.join(x, sigma)
