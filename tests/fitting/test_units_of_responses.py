"""Fits with formulas for the dispersion begin alike in any unit of the response."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from statsmodels.genmod.families import Gaussian, links

from statsmodels_mixed import GeneralizedLinearMixedModel
from statsmodels_mixed.fitting.distributional.start import coefficients_to_begin_with
from statsmodels_mixed.fitting.fixed_effects.basis import orthonormal_basis


@pytest.mark.parametrize("link", [links.InversePower(), links.Sqrt(), links.InverseSquared()])
@pytest.mark.parametrize("unit", [1e-6, 1e5])
def test_powers_of_the_mean_start_in_the_unit_of_the_response(link, unit):
    # Linear predictors of 1e6 were taken for those of coefficients without end, and the search
    # began at a constant, from where one ended with all means at zero.
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 8), "x": rng.normal(size=64)})
    data["y"] = 1.0 + 0.3 * np.tanh(data["x"]) + 0.05 * rng.normal(size=64)
    model = GeneralizedLinearMixedModel.from_formula(
        "y ~ x + (1 | g)", data, Gaussian(link, check_link=False)
    )
    design = model.design
    basis = orthonormal_basis(design.X, None)
    gamma = coefficients_to_begin_with(design, model.spec, basis)
    other = coefficients_to_begin_with(replace(design, y=unit * design.y), model.spec, basis)
    assert abs(gamma[1]) > 0.01 * abs(gamma[0])
    assert_allclose(other, unit**link.power * gamma, rtol=1e-6)
