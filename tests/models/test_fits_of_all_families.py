"""Families with links, zeros, dispersions, offsets and weights against glmmTMB and clmm."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed.errors import MixedModelWarning

HERE = Path(__file__).parents[1] / "reference" / "families"
RECORDS = json.loads((HERE / "simulated.json").read_text())["records"]
SAME = 1e-6  # log-likelihoods
EARLY = 1e-2  # how far below its maximum clmm stops


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.read_csv(HERE / "simulated.csv")


def fitted(record: dict[str, Any], data: pd.DataFrame) -> Any:
    options = record["options"]
    if record["family"] == "ordinal":
        return smm.mixedordinal2(record["formula"], data, **options).fit(n_agq=record["n_agq"])
    model: Any = smm.mixedglm2(record["formula"], data, record["family"], **options)
    parted = model.spec.parted or "dispersion" in options
    return model.fit() if parted else model.fit(hessian="observed")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_likelihoods_and_estimates_are_those_of_others(record, data) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        fit = fitted(record, data)
    assert fit.converged
    assert fit.llf > record["llf"] - SAME
    ordinal = record["family"] == "ordinal"
    assert fit.llf < record["llf"] + (EARLY if ordinal else SAME)
    own = fit.params[[name for name in fit.params.index if ": " not in name]]
    # Columns are in another order in R where numbers and factors mix.
    order, theirs = np.argsort(own.to_numpy()), np.argsort(record["est"])
    off = (own.to_numpy()[order] - np.array(record["est"])[theirs]) / np.array(record["se"])[theirs]
    assert_allclose(off, 0.0, atol=5e-3 if ordinal else 1e-4)
