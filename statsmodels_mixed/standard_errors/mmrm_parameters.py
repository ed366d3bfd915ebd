"""The parameters in which mmrm, the R package, has its second-order term.

Kenward and Roger's adjustment has second derivatives of V, which depend on the parameters that V
is a function of. Those of mmrm are not bounded: logarithms of standard deviations with, for `us`,
the elements of a Cholesky factor over its diagonal, for correlations rho / sqrt(1 - rho^2), for
`cs` the logit of the place of rho in its range, and for `exp` that of exp(-1 / range).
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..residual_covariance.covariance import Part, ResponseCovariance

__all__ = ["check_mmrm", "mmrm_jacobian"]


KINDS = ("us", "ar1", "har1", "cs", "hcs", "toep", "htoep", "ad", "had", "exp")


def check_mmrm(model: ResponseCovariance) -> None:
    """Refuse models that mmrm does not have.

    Raises
    ------
    OptionError
        If there are random effects, a dispersion, a nugget, or another structure.
    """
    what = ""
    if model.effects:
        what = "random effects"
    if model.gamma.stop > model.gamma.start:
        what = "dispersion="
    for part in model.residuals:
        structure = part.free.structure
        if structure.name not in KINDS:
            what = f"{structure.name}()"
        if any("nugget" in name for name in structure.read().names):
            what = "a nugget"
    if what:
        raise OptionError(
            f'dof="kenward-roger-mmrm" has the parameters of mmrm, which has no {what}: take '
            '"kenward-roger".'
        )


def mmrm_jacobian(part: Part, x: Array) -> Array:
    """Return the derivatives of mmrm's parameters with respect to coordinates, shape (m, m)."""
    structure, phi = part.free.structure, part.free.phi(x)
    if structure.name == "us":
        return _of_cholesky(structure.k, phi) @ part.free.jacobian(x)
    natural = structure.natural(phi)
    values = natural.values
    with np.errstate(divide="ignore", invalid="ignore"):
        if structure.name in ("cs", "hcs"):
            width = 1.0 + 1.0 / (structure.k - 1)
            share = (values + width - 1.0) / width
            slopes = 1.0 / (width * share * (1.0 - share))
        elif structure.name == "exp":
            slopes = 1.0 / (values**2 * -np.expm1(-1.0 / values))
        else:
            slopes = (1.0 - values**2) ** -1.5
        slopes = np.where(natural.scales, 1.0 / values, slopes)
    return np.asarray(slopes[:, None] * (natural.jacobian @ part.free.jacobian(x)))


def _of_cholesky(k: int, phi: Array) -> Array:
    """Return derivatives of log|T_ii| and T_ij / T_ii with respect to T, column by column."""
    columns, rows = np.triu_indices(k)
    m = len(rows)
    diagonal = np.flatnonzero(rows == columns)[rows]  # where T_ii is, for an element of row i
    J = np.zeros((m, m))
    J[np.arange(m), np.arange(m)] = 1.0 / phi[diagonal]
    below = rows != columns
    J[below, diagonal[below]] = -phi[below] / phi[diagonal[below]] ** 2
    return J
