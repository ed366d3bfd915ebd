"""Profiles of coefficients of models with parameters of rows, by fits with them held fixed."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
import pytest
from scipy.stats import chi2

from statsmodels_mixed import SingularFitWarning, datasets, mixedglm2, mixedordinal2
from statsmodels_mixed.profile.generalized import GeneralizedSurface


def stages() -> pd.DataFrame:
    """Return Orthodont with distances in four ordered classes."""
    table = datasets.load("orthodont")
    edges = [0, 21, 24, 26, 50]
    return table.assign(
        stage=pd.cut(table["distance"], edges, labels=list("abcd"), ordered=True),
        girl=(table["sex"].astype(str) == "Female").astype(float),
    )


def herds() -> pd.DataFrame:
    """Return the shares of sick animals in herds, inside (0, 1)."""
    table = datasets.load("cbpp")
    return table.assign(
        share=(table["incid"] + 0.5) / (table["hsz"] + 1.0),
        first=(table["period"].astype(str) == "1").astype(float),
    )


def ordinal(effects: str, offset: float | None) -> Any:
    table, fixed = stages(), "age + girl" if offset is None else "age"
    options = {} if offset is None else {"offset": offset * table["girl"]}
    return mixedordinal2(f"stage ~ {fixed} + ({effects} | subject)", table, **options)


def shares(offset: float | None) -> Any:
    table, fixed = herds(), "first" if offset is None else "1"
    options = {} if offset is None else {"offset": offset * table["first"]}
    return mixedglm2(
        f"share ~ {fixed} + (1 | herd)", table, "beta", dispersion="~ period", **options
    )


@pytest.mark.parametrize(
    ("model", "name", "most"),
    [
        (lambda at: ordinal("1", at), "girl", 900),
        # The covariance is singular: a diagonal element of T is zero.
        (lambda at: ordinal("age", at), "girl", 2500),
        (shares, "first", 900),
    ],
)
def test_limits_are_where_a_fit_with_the_coefficient_fixed_is_rejected(
    monkeypatch, model, name, most
):
    evaluations, value = [], GeneralizedSurface.value
    monkeypatch.setattr(
        GeneralizedSurface, "value", lambda self, x: evaluations.append(x) or value(self, x)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        fit = model(None).fit()
        curve = fit.profile("beta")
        for limit in curve.conf_int().loc[("beta", name), ["lower", "upper"]]:
            rise = 2.0 * (fit.llf - model(float(limit)).fit().llf)
            assert rise == pytest.approx(chi2.ppf(0.95, 1), rel=1e-4)
    assert len(evaluations) < most
