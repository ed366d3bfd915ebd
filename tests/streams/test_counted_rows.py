"""What is said of rows of a file counts those of all batches, as it does of a table in memory."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from statsmodels_mixed import DataError
from statsmodels_mixed.streams.counted_rows import CountedRows

N = 600
ODD = [10, 150, 350, 599]


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    trials = rng.integers(2, 9, N).astype(float)
    return pd.DataFrame(
        {
            "y": rng.normal(size=N),
            "x": rng.normal(size=N),
            "g": np.array(list("abcdefghij"))[rng.integers(0, 10, N)],
            "w": rng.uniform(0.5, 2.0, N),
            "k": rng.poisson(3.0, N).astype(float),
            "t": trials,
            "p": np.floor(trials * rng.uniform(size=N)) / trials,
        }
    )


def said(source, formula, family, options):
    """Return the error of a model, or its warnings."""
    make = smf.mixedlm2 if family is None else smf.mixedglm2
    given = () if family is None else (family,)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            make(formula, source, *given, **options)
        except DataError as error:
            return [str(error)]
    return [str(each.message) for each in caught]


CASES = [
    ("x", np.nan, "y ~ x + (1 | g)", None, {"missing": "none"}),
    ("x", np.nan, "y ~ x + (1 | g)", None, {"missing": "raise"}),
    ("x", np.inf, "y ~ x + (1 | g)", None, {}),
    ("y", -np.inf, "y ~ x + (1 | g)", None, {}),
    ("w", -1.0, "y ~ x + (1 | g)", None, {"weights": "w"}),
    ("w", np.inf, "y ~ x + offset(w) + (1 | g)", None, {}),
    ("k", -1.0, "k ~ x + (1 | g)", sm.families.Poisson(), {}),
    ("k", 1.5, "k ~ x + (1 | g)", sm.families.Poisson(), {}),
    ("x", np.inf, "k ~ x + (1 | g)", sm.families.Poisson(), {}),
    ("p", 0.123, "p ~ x + (1 | g)", sm.families.Binomial(), {"weights": "t"}),
    ("p", 1.5, "p ~ x + (1 | g)", sm.families.Binomial(), {"weights": "t"}),
]


@pytest.mark.parametrize("column, value, formula, family, options", CASES)
def test_rows_are_counted_over_batches(column, value, formula, family, options, tmp_path):
    data = table()
    data.loc[ODD, column] = value
    data.to_parquet(tmp_path / "data.parquet", index=False)
    in_memory = said(data, formula, family, options)
    assert "4 rows (first: 10, 150, 350)" in in_memory[0]
    by_batches = options | {"batch_rows": 100}
    assert said(str(tmp_path / "data.parquet"), formula, family, by_batches) == in_memory


def test_several_columns_whose_rows_are_in_other_batches():
    counted = CountedRows("missing: 'x' in 1 row (first: 3); 'z' in 2 rows (first: 3, 4).")
    counted.add("missing: 'x' in 2 rows (first: 13, 14); 'z' in 2 rows (first: 15, 16).")
    assert str(counted) == (
        "missing: 'x' in 3 rows (first: 3, 13, 14); 'z' in 4 rows (first: 3, 4, 15)."
    )
    counted.add("missing: 'x' in 5 rows (first: 21, 22, 23).")
    assert "'x' in at least 3 rows (first: 3, 13, 14)" in str(counted)
