"""missing="none": rows without a place, or without a truth value, are named by either engine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"y": rng.normal(size=120), "g": np.arange(120) // 10})
    table["t"] = np.arange(120) % 10.0
    table["s"] = table.t
    flag = pd.Series(rng.integers(0, 2, 120), dtype="boolean")
    return table.assign(flag=flag)


@pytest.mark.parametrize("term", ["ar1(0 + t | g)", "ou(0 + t | g)", "exp(0 + s + t | g)"])
def test_a_coordinate(data, term):
    """They were told that the data have no place t=nan."""
    data.loc[[3, 57], "t"] = np.nan
    with pytest.raises(DataError, match=r"'t' is missing in 2 rows \(first: 3, 57\): leave such"):
        mixedlm2(f"y ~ 1 + {term}", data, missing="none")


@pytest.mark.parametrize("stored", ["boolean", object])
def test_truth_values_by_formulaic(data, stored, monkeypatch):
    """NumPy had no number for NA, and formulaic no level."""
    pytest.importorskip("formulaic", reason="needs formulaic")
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", "formulaic")
    data.loc[[4, 90], "flag"] = pd.NA
    data = data.assign(flag=data.flag.astype(stored))
    with pytest.raises(DataError, match=r"'flag' is missing in 2 rows \(first: 4, 90\): pass"):
        mixedlm2("y ~ flag + (1 | g)", data, missing="none")
