"""Streamed fits of columns far from zero, of separated responses, and of numbers too large."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from statsmodels_mixed import mixedglm2, mixedlm2
from statsmodels_mixed.errors import ConvergenceWarning, DataError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    g, h, x = np.arange(300) % 15, np.arange(300) % 4, rng.normal(size=300)
    u = rng.normal(size=15)[g]
    mean = np.exp(0.3 * x + 0.4 * u)
    return pd.DataFrame(
        {
            "g": g,
            "h": np.array(list("abcd"))[h],
            "x": x,
            "count": rng.poisson(mean),
            "win": (u + rng.logistic(size=300) > 0).astype(int),
            "y": rng.normal(size=300),
        }
    )


def fit(formula: str, data: pd.DataFrame):
    streamed = ds.dataset(pa.Table.from_pandas(data))
    return mixedglm2(
        formula, streamed, "poisson" if formula.startswith("count") else "binomial", batch_rows=40
    ).fit()


@pytest.mark.parametrize("shift", [2.0**23, 1e9])
def test_a_column_far_from_zero_is_no_separation(data, shift):
    """The intercept is then that at a point far from all rows, and its standard error large."""
    near = fit("count ~ x + (1 | g)", data)
    far = fit("count ~ x + (1 | g)", data.assign(x=data.x + shift))
    assert far.params["x"] == pytest.approx(near.params["x"], rel=1e-6)
    assert far.bse["x"] == pytest.approx(near.bse["x"], rel=1e-6)
    assert "Separation" not in str(far.summary())


def test_coefficients_that_may_be_infinite_are_named_and_no_others(data):
    """All rows of b are ones, in all batches; x is far from zero."""
    separated = data.assign(win=np.where(data.h == "b", 1, data.win), x=data.x + 1e7)
    summary = str(fit("win ~ x + h + (1 | g)", separated).summary())
    assert "the standard errors of h[T.b] are so large" in " ".join(summary.split())


def test_complete_separation_is_no_convergence(data):
    with pytest.warns(ConvergenceWarning, match="separates completely"):
        assert not fit("win ~ x + (1 | g)", data.assign(win=(data.x > 0).astype(int))).converged


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("weights", 1e300, r"the weights are so large \(from 1e\+300 to 1e\+300\).* divide them"),
        ("weights", 1e-300, r"the weights are so small .* multiply them by a power of ten"),
        ("offset", 1e300, "the offset is so large that its square"),
    ],
)
def test_options_whose_products_are_no_numbers_are_named(data, option, value, message):
    """The intercept was said to be too large, or the fit to be exact."""
    streamed = ds.dataset(pa.Table.from_pandas(data.assign(known=value)))
    with pytest.raises(DataError, match=message):
        mixedlm2("y ~ x + (1 | g)", streamed, batch_rows=40, **{option: "known"})
