"""Fits to responses simulated from each family: they end, and intervals of the slope cover.

``STUDY_FITS=2000 python -m pytest -m slow tests/models/test_row_parameter_study.py`` has as many
fits of each family as the name says.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statsmodels_mixed as smm
from statsmodels_mixed.errors import MixedModelWarning

FITS = int(os.environ.get("STUDY_FITS", "200"))
CASES: list[tuple[str, dict[str, str]]] = [
    ("poisson", {"zero_inflation": "~ 1"}),
    ("poisson", {"hurdle": "~ x"}),
    ("nbinom2", {"dispersion": "~ x"}),
    ("nbinom1", {"dispersion": "~ 1"}),
    ("genpois", {"dispersion": "~ 1"}),
    ("compois", {"dispersion": "~ 1"}),
    ("beta", {"dispersion": "~ 1"}),
    ("ordered_beta", {}),
    ("lognormal", {"dispersion": "~ 1"}),
    ("gaussian", {"dispersion": "~ x"}),
    ("tweedie", {}),
    ("truncated_poisson", {}),
]


def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(40), 6), rng.normal(size=240)
    mu = np.exp(0.8 + 0.4 * x + 0.5 * rng.normal(size=40)[g])
    count = rng.poisson(rng.gamma(3.0, mu / 3.0)) * rng.binomial(1, 0.8, size=240)
    share = rng.beta(4 * mu / (1 + mu), 4 / (1 + mu))
    ends = np.where(rng.random(240) < 0.1, np.round(share), share)
    number = np.log(mu) + rng.normal(size=240)
    return pd.DataFrame(
        {
            "g": g,
            "x": x,
            "count": count,
            "beta": share,
            "ordered_beta": ends,
            "lognormal": np.exp(number),
            "gaussian": number,
            "tweedie": count * rng.gamma(2.0, 0.5, size=240),
            "truncated_poisson": rng.poisson(mu) + 1,
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case[0], *case[1]]))
def test_fits_end_and_intervals_cover(case):
    family, parts = case
    table = data()
    response = family if family in table else "count"
    model: Any = smm.mixedglm2(f"{response} ~ x + (1 | g)", table, family, **parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        fit = model.fit()
        truth, inside, ended, known = fit.params["x"], 0, 0, 0
        for y in fit.simulate(FITS, seed=1).T:
            again = fit.refit(y)
            ended += again.converged or bool(again.report.message)
            lower, upper = again.conf_int().loc["x"]
            known += np.isfinite(lower)
            inside += lower <= truth <= upper
    assert ended == FITS
    assert known >= 0.98 * FITS
    # Three standard errors of the share, and what Wald's intervals of 40 groups lack at most.
    assert abs(inside / known - 0.95) < 3 * np.sqrt(0.95 * 0.05 / known) + 0.015
