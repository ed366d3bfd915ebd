"""Responses of known subjects at other times, given those observed, of every kind of residuals.

With strata and unequal variances, against dense matrices.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from every_structure import KINDS, RESIDUALS, columns, dense, pieces_of, residual, table

from statsmodels_mixed.errors import DataError, MixedModelWarning
from statsmodels_mixed.structures import make

# Their order or their number of parameters gives them no covariance at a new place.
NO_NEW_PLACES = {"har1", "toep", "htoep", "ad", "had", "us", "diag", "hcs"}
CASES = [
    pytest.param(kind, model, marks=[pytest.mark.slow] * (kind == "mat"))  # of many evaluations
    for kind in KINDS
    for model in RESIDUALS
    if make(kind).definite and (kind, model) != ("us", "by")  # whose likelihood has no maximum
]


def new_rows(subjects: list[int], times: list[float]) -> pd.DataFrame:
    rows = pd.DataFrame({"g": subjects, "t": times, "x": np.linspace(0.1, 0.5, len(times))})
    return rows.assign(arm=np.where(rows.g % 2, "p", "q"), h=1)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(("kind", "model"), CASES)
def test_responses_are_kriged(kind: str, model: str, reml: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        fit = residual(kind, reml, **RESIDUALS[model])
    data = table(kind, 1)
    own = dense(fit, kind, data)
    tries: list[Any] = [(new_rows([3], [2.0]), np.arange(4.0))]  # a place that it has missed
    needs = make(kind).needs
    if needs != "columns" and kind not in NO_NEW_PLACES:
        places = np.array([0, 1, 1.5, 2, 3, 6.5] if needs == "coordinates" else range(6), float)
        tries.append((new_rows([0, 5, 3], [places[-1], places[-2], 2.0]), places))
    for rows, places in tries:
        found = fit.get_prediction(rows, conditional=True)
        joint = replace(own, pieces=pieces_of(fit, kind, data, places))
        pieces = pieces_of(fit, kind, rows, places)
        mean, error = joint.effects(pieces, columns(rows))
        assert found.predicted_mean == pytest.approx(mean, rel=1e-6)
        assert found.se_obs == pytest.approx(error, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", sorted(NO_NEW_PLACES))
def test_places_without_covariances_are_refused(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        fit = residual(kind, True)
    with pytest.raises(DataError, match=r"9"):
        fit.get_prediction(new_rows([3], [9.0]), conditional=True)
