"""What the random effects given the data add to the variance of predictions of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack

from ..._typing import Array
from ...fitting.distributional.curvature import effects_matrix, variances_of_effects
from ...fitting.distributional.row_parameters import ZEROS
from ..rows import open_new_data, rows_to_predict
from ..which_effects import choose_random
from .predict import all_predictors, default_of, slope_at, trials_for

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["variance_of_modes"]


def variance_of_modes(fit: DistributionalFit, asked: dict[str, Any], width: int) -> Array:
    """Return f_b Var(b | y) f_b' of predictions, shape (m, width); see `get_prediction`.

    Parameters
    ----------
    fit : DistributionalResults
    asked : dict
        The arguments of `predict`.
    width : int
        Number of predictions of each row.
    """
    design, own = fit.model.kept_design(), fit.estimates.conditional
    new = open_new_data(fit.model, asked["exog"], asked["transform"])
    chosen = choose_random(asked["re"], fit.layout, fit.model.frame)
    rows = rows_to_predict(fit._mean_part, new, chosen, asked["new_levels"])
    to_eta, to_zeros = _slopes(fit, asked)
    out = np.zeros((len(rows.X), width))
    blocks = list(zip(design.blocks, rows.z, rows.refs, own.factors, strict=True))
    for r in range(width):
        parts = []
        for block, z, refs, T in blocks:
            slope = np.nan_to_num((to_zeros if block.part else to_eta)[:, r])
            z = np.nan_to_num(z)
            columns = effects_matrix(z, refs, T, len(block.levels))
            parts.append(diags(slope) @ columns)
            # A level that the fit has not seen has the variance of any.
            unseen = np.where(refs < 0, np.square(z @ T).sum(axis=1), 0.0)
            out[:, r] += slope**2 * unseen
        J = csr_matrix(hstack(parts))
        out[:, r] += variances_of_effects(
            design, fit._spec, own.factors, own.eta, fit.estimates.outer_at_modes, J
        )
    return out


def _slopes(fit: DistributionalFit, asked: dict[str, Any]) -> tuple[Array, Array]:
    """Return derivatives of predictions in eta and in the logit of zeros, each (m, width)."""
    given = {key: value for key, value in asked.items() if key != "which"}
    predictors, _ = all_predictors(fit, **given)
    which = asked["which"] or default_of(fit)
    trials = trials_for(fit, which, given["exog"])
    eta, zeros = np.zeros((2, predictors.shape[1]))
    eta[0] = 1.0
    if fit._ordered:
        eta[1:] = -1.0  # thresholds are less the linear predictor
    else:
        zeros[1 + ZEROS] = 1.0

    def slope(direction: Array) -> Array:
        found = slope_at(fit, which, predictors, direction, trials)
        return found.reshape(len(found), -1)

    return slope(eta), slope(zeros)
