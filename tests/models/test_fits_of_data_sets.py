"""Families, zeros, dispersions and their random effects on data sets, against glmmTMB."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed.errors import MixedModelWarning

HERE = Path(__file__).parents[1] / "reference" / "families"
RECORDS = json.loads((HERE / "data_sets.json").read_text())["records"]
PREFIXES = {"mean": (), "zeros": ("zi: ", "hurdle: "), "dispersion": ("disp: ",)}


def read(name: str) -> pd.DataFrame:
    data = pd.read_csv(HERE / f"{name}.csv")
    if name == "owls":
        return data.assign(cArr=data["ArrivalTime"] - 24, obs=np.arange(len(data)))
    if name == "epil2":
        return data.assign(obs=np.arange(len(data)))
    kinds = ["GP", "PR", "DM", "EC-A", "EC-L", "DES-L", "DF"]
    return data.assign(
        mined=pd.Categorical(data["mined"], ["yes", "no"]),
        spp=pd.Categorical(data["spp"], kinds),
        here=(data["count"] > 0).astype(int),
    )


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_likelihoods_and_estimates_are_those_of_others(record) -> None:
    model = smm.mixedglm2(
        record["formula"], read(record["data"]), record["family"], **record["options"]
    )
    parted = model.spec.parted or {"zero_inflation", "hurdle", "dispersion"} & set(
        record["options"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        fit = model.fit() if parted else model.fit(hessian="observed")
    assert fit.converged
    assert fit.llf == pytest.approx(record["llf"], abs=1e-6)
    for part, prefixes in PREFIXES.items():
        if part not in record:
            continue
        own = [
            name
            for name in fit.params.index
            if (name.startswith(prefixes) if prefixes else ": " not in name)
        ]
        wanted, error = np.array(record[part]).T
        # Columns are in another order in R where numbers and factors mix.
        found, theirs = np.sort(fit.params[own]), np.argsort(wanted)
        assert_allclose((found - wanted[theirs]) / error[theirs], 0.0, atol=1e-4)


# Log-likelihoods of glmmTMB 1.1.5. At mined sites zeros are not inflated, and counts that are not
# zero are those of the limit at a mean of 0.
TO_INFINITY = {
    "count ~ spp + mined + (1 | site)": (
        {"zero_inflation": "~ mined", "dispersion": "~ cover"},
        -814.333512,
        "zi: Intercept",
    ),
    "count ~ mined + cover + (1 | site)": (
        {"hurdle": "~ mined + (1 | site)"},
        -855.495604,
        "Intercept",
    ),
}


@pytest.mark.parametrize("formula", TO_INFINITY)
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")
def test_coefficients_that_go_to_infinity_get_there_soon(formula) -> None:
    options, llf, name = TO_INFINITY[formula]
    fit = smm.mixedglm2(formula, read("salamanders"), "nbinom1", **options).fit()
    assert fit.converged
    assert fit.report.evaluations < 150  # 675 and 604 by steps that creep
    assert fit.llf == pytest.approx(llf, abs=2e-6)
    assert np.isnan(fit.bse[name])
    others = [other for other in fit.bse.index if not other.startswith((name.split(":")[0], "min"))]
    assert fit.bse[others].notna().all()
    assert "finite estimate" in str(fit.summary())
