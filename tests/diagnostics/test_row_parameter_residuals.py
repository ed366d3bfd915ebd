"""Residuals of fits with several parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_a_count_that_can_only_be_one_has_a_pearson_residual_of_zero():
    """Its mean is 1 and its variance 0 to all digits: 0 / 0, with a warning of NumPy."""
    data = pd.DataFrame({"y": [1.0, 4.0, 5.0, 3.0, 1.0, 2.0], "g": [1, 0, 1, 1, 1, 0]})
    data["x"] = [-1.4108982386, 0.629158034563, 0.146887701456, -0.467526567597,
                 -0.644518596512, -1.01522395253]  # fmt: skip
    data["f"] = list("cacbaa")
    fit = mixedglm2(
        "y ~ f + (x | g)", data, "truncated_conway_maxwell_poisson", dispersion="~ x"
    ).fit()
    residual = fit.residuals("pearson")
    response = fit.residuals("response")
    assert np.isfinite(residual).all()
    assert (residual[response == 0.0] == 0.0).all()
