"""Standard errors of fits in which some covariance parameters are not determined."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.linear_models import draw


@pytest.mark.filterwarnings("ignore")
def test_covariances_of_lower_rank_that_run_to_infinity():
    # T of rank one and 1e9 or more: numpy said "Singular matrix".
    fit = draw(624961).fit()
    assert np.abs(fit.theta).max() > 1e8
    assert "take up all information" in fit.report.not_identified[0]
    assert np.isnan(fit.bse).all()
