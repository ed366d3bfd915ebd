"""Quadrature with each family and each formula that it takes, against integrals on a fine grid.

Densities of rows are those that `tests/fitting/test_densities_of_all_families.py` compares with
SciPy's; the integrals over the random effect of a level are the trapezoidal rule's here.
"""

from __future__ import annotations

import numpy as np
import pytest
from family_cases import Case, cases, spec_of, table
from scipy.special import logsumexp

from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.fitting.distributional.likelihood import model_of_rows
from statsmodels_mixed.fitting.distributional.start import coefficients_to_begin_with
from statsmodels_mixed.fitting.generalized.approximation import generalized_structure

DATA = table(60, 12, 8)
SD = 0.6
# Standard normal u from -9 to 9; sums over them are exact to rounding.
U = np.linspace(-9.0, 9.0, 241)
LOG_WEIGHTS = -0.5 * U**2 - 0.5 * np.log(2.0 * np.pi) + np.log(U[1] - U[0])


def parted(case: Case) -> bool:
    """Whether rows of the family have parameters besides mean and dispersion."""
    spec = spec_of(case.family)
    return bool(case.parts) or (spec is not None and spec.parted)


@pytest.mark.parametrize("case", [*filter(parted, cases(DATA))], ids=lambda case: case.id)
def test_quadrature_is_the_integral(case: Case) -> None:
    model = case.model(case.rows(DATA))
    design, spec = model.kept_design(), model.spec
    rows, structure = model._rows(design), generalized_structure(design)
    gamma = coefficients_to_begin_with(design, spec, structure.basis)
    core = model_of_rows(structure.core, design, spec, rows, 75)
    value, _ = core.value_and_gradient(np.concatenate([[SD], gamma, rows.start]))

    n = len(design.y)
    again = np.repeat(np.arange(n), len(U))
    eta = (structure.basis.Q @ gamma)[:, None] + SD * U
    found, _ = row_derivatives(
        spec.family,
        spec.link,
        design.y[again],
        eta.ravel(),
        rows.values(rows.start)[again],
        weights=None if design.weights is None else design.weights[again],
        power=spec.power,
        zeros=spec.zeros,
    )
    of_rows, refs = found[:, 0].reshape(n, len(U)), DATA["g"].to_numpy()
    levels = [of_rows[refs == level].sum(axis=0) for level in range(12)]
    wanted = -2.0 * sum(logsumexp(level + LOG_WEIGHTS) for level in levels)
    assert value == pytest.approx(wanted, abs=1e-6)
