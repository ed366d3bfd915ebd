"""Fits of reduced rank end where the gradient in the loadings vanishes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm

SALAMANDERS = Path(__file__).parents[1] / "reference" / "families" / "salamanders.csv"
SPECIES = ["GP", "PR", "DM", "EC-A", "EC-L", "DES-L", "DF"]


def test_one_latent_variable_is_that_of_glmmtmb():
    # glmmTMB 1.1.5, count ~ spp + mined + rr(spp + 0 | site, d = 1), to a gradient of 1e-10.
    data = pd.read_csv(SALAMANDERS)
    data["spp"] = pd.Categorical(data["spp"], SPECIES)
    data["mined"] = pd.Categorical(data["mined"], ["yes", "no"])
    fit = smm.mixedglm2("count ~ spp + mined + rr(0 + spp | site, d=1)", data, "poisson").fit()
    assert fit.converged
    assert fit.llf == pytest.approx(-943.388091841587, abs=1e-9)
    coefficients = [
        *(-1.48014602179505, -1.40398288980212, 0.169418620612123, -0.720689904312187),
        *(0.495702155470935, 0.657350651381124, -0.0406619791029324, 2.1358282509461),
    ]
    assert_allclose((fit.params - coefficients) / fit.bse, 0.0, atol=1e-5)
    loadings = [
        *(0.369057734244701, -0.446339165245811, 0.56262884002416, -0.115777195439083),
        *(-0.685496284194835, 0.44630690251674, -0.676929238746086),
    ]
    assert_allclose(fit.theta[:7], loadings, atol=1e-6)
    assert fit.report.gradient_norm < 1e-12
    assert np.isfinite(fit.bse).all()
