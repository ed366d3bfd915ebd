"""Every subject twice, and with half its weight: the same likelihood, twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedlm2

MODELS = [
    ("", {"residual": "ar1(t | g)"}),
    ("", {"residual": "toep(t | g)"}),
    ("", {"residual": "cs(t | g)"}),
    (" + (1 | g)", {"residual": "diag(t | g)"}),
    (" + (1 | h)", {"dispersion": "~ f + x"}),
]


def once() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g, h = np.repeat(np.arange(8), 8), rng.integers(0, 5, 64)
    x, f = rng.normal(size=64) + 0.3 * rng.normal(size=8)[g], rng.integers(0, 3, 64)
    y = 1 + 0.5 * x + rng.normal(size=8)[g] + 0.8 * rng.normal(size=5)[h] + 0.4 * (f == 1)
    data = pd.DataFrame({"y": y + rng.normal(size=64), "x": x, "f": f.astype(str)})
    data["g"], data["h"], data["t"] = g, h, np.tile(np.arange(8), 8)
    return data.assign(w=rng.uniform(0.5, 2, 64))


def fitted(terms: str, options: dict[str, Any], data: pd.DataFrame) -> Any:
    return mixedlm2(f"y ~ x + f{terms}", data, weights="w", **options).fit()


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
@pytest.mark.parametrize(("terms", "options"), MODELS)
def test_doubled_subjects(terms: str, options: dict[str, Any]) -> None:
    data = once()
    copies = data.assign(g=data["g"] + 100, h=data["h"] + 100)
    twice = pd.concat([data, copies], ignore_index=True)
    one, two = fitted(terms, options, data), fitted(terms, options, twice)
    assert_allclose(two.objective, 2 * one.objective, rtol=1e-12)
    assert_allclose(two.params, one.params, atol=1e-7 * one.bse.min())
    assert_allclose(two.bse * np.sqrt(2), one.bse, rtol=1e-7)
    # Half the weight is twice the residual covariance, which the estimate of it makes up for.
    half = fitted(terms, options, twice.assign(w=twice["w"] / 2))
    assert_allclose(half.params, one.params, atol=1e-7 * one.bse.min())
    assert_allclose(half.bse * np.sqrt(2), one.bse, rtol=1e-7)
