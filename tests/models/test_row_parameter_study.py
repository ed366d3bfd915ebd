"""Fits to responses simulated from each family: they end, and intervals of the slope cover.

``STUDY_FITS=2000 python -m pytest -m slow tests/models/test_row_parameter_study.py`` has as many
fits of each family as the name says.
"""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from family_cases import Case, cases, table

from statsmodels_mixed.errors import MixedModelWarning

FITS = int(os.environ.get("STUDY_FITS", "200"))
DATA = table(240, 40, 3)


@pytest.mark.slow
@pytest.mark.parametrize("case", cases(DATA), ids=lambda case: case.id)
def test_fits_end_and_intervals_cover(case: Case) -> None:
    model = case.model(case.rows(DATA))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        fit = model.fit()
        truth, inside, ended, known = fit.params["x"], 0, 0, 0
        for y in fit.simulate(FITS, seed=1).T:
            again = fit.refit(y)
            ended += again.converged or bool(again.report.message)
            if "n_agq=9" in again.report.message and not again.converged:  # as it advises
                again = case.model(case.rows(DATA).assign(**{case.response: y})).fit(n_agq=9)
            lower, upper = again.conf_int().loc["x"]
            known += np.isfinite(lower)
            inside += lower <= truth <= upper
    assert ended == FITS
    assert known >= 0.98 * FITS
    # Three standard errors of the share, and what Wald's intervals of 40 groups lack at most.
    assert abs(inside / known - 0.95) < 3 * np.sqrt(0.95 * 0.05 / known) + 0.015
