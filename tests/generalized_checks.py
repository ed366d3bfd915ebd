"""Fits of generalized models from a formula, and what each must satisfy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
from reference.glmm_names import make_design

from statsmodels_mixed.fitting.estimates import GeneralizedEstimates
from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.fitting.generalized.fit import (
    fit_generalized,
    hessian,
    objective_and_gradient,
)
from statsmodels_mixed.frame.design import Design


def assert_stationary(
    design: Design, family: FamilySpec, estimates: GeneralizedEstimates, **how: Any
) -> None:
    """Check that the gradient vanishes, in units of the standard error of each parameter."""
    _, gradient = objective_and_gradient(
        design, family, estimates.theta, estimates.beta, estimates.dispersion, **how
    )
    working, change = hessian(design, estimates)
    back = np.linalg.inv(change)
    curvature = back.T @ working @ back
    assert np.min(np.linalg.eigvalsh(curvature / np.sqrt(diagonal_products(curvature)))) > 0
    errors = np.sqrt(2 * np.diag(np.linalg.inv(curvature)))
    # A gradient of 2 is that at one standard error from the optimum.
    assert_allclose(gradient * errors, 0, atol=1e-4)
    assert estimates.report.gradient_norm < 1e-8
    assert estimates.report.converged


def diagonal_products(matrix: np.ndarray) -> np.ndarray:
    return np.outer(np.diag(matrix), np.diag(matrix))


def fitted(
    formula: str, data: pd.DataFrame, family: FamilySpec, *, weights: Any = None,
    offset: Any = None, **how: Any,
) -> GeneralizedEstimates:  # fmt: skip
    options = {"weights": weights, "offset": offset}
    given = {name: value for name, value in options.items() if value is not None}
    return fit_generalized(make_design(formula, data, **given), family, **how)
