"""Generalized models of a dask frame, and where streamed fits of counts start."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pytest
from killed_workers import fit_with_deaths

from statsmodels_mixed import mixedglm2

PARTS = 4
FORMULA = "y ~ x + (1 | g) + (1 | h)"


def part(seed: int, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, h, x = rng.integers(20, size=n), rng.integers(6, size=n), rng.normal(size=n)
    mean = np.exp(0.4 + 0.3 * x + np.sin(g) / 2 + np.cos(h) / 3)
    return pd.DataFrame({"y": rng.poisson(mean), "x": x, "g": g, "h": h})


WHOLE = pd.concat([part(seed) for seed in range(PARTS)], ignore_index=True)


def check(streamed, whole) -> None:
    assert streamed.objective == pytest.approx(whole.objective, rel=1e-10)
    assert np.all(np.abs(streamed.params - whole.params) < 1e-6 * whole.bse)
    np.testing.assert_allclose(streamed.bse, whole.bse, rtol=1e-6)


def test_partitions_are_read_in_every_pass():
    dd = pytest.importorskip("dask.dataframe", reason="needs dask")
    frame = dd.from_map(part, range(PARTS))
    streamed = mixedglm2(FORMULA, frame, "poisson", batch_rows=100).fit()
    check(streamed, mixedglm2(FORMULA, WHOLE, "poisson").fit())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_in_a_pass_costs_a_retry(tmp_path):
    marks = tmp_path / "marks"
    streamed = fit_with_deaths(
        part,
        PARTS,
        marks,
        victim=2,
        times=(2, 20),  # the second in the midst of the fit
        fit=lambda frame: mixedglm2(FORMULA, frame, "poisson").fit(),
    )
    assert os.path.getsize(marks) > 20
    check(streamed, mixedglm2(FORMULA, WHOLE, "poisson").fit())


def test_a_start_at_no_overdispersion_is_moved_inside():
    """At alpha = 0 the derivative in log alpha vanishes for any data."""
    rng = np.random.default_rng(3)
    mean = np.exp(0.5 + 0.5 * rng.normal(size=20)[WHOLE.g])
    data = WHOLE.assign(y=rng.negative_binomial(2, 2 / (2 + mean)))
    streamed = pa.dataset.dataset(pa.Table.from_pandas(data))
    model = mixedglm2("y ~ x + (1 | g)", streamed, "negative_binomial")
    usual = model.fit()
    start = np.concatenate([usual.theta, usual.params, [-60.0]])
    again = model.fit(start=start)
    assert again.dispersion == pytest.approx(usual.dispersion, rel=1e-4)
    assert again.objective == pytest.approx(usual.objective, rel=1e-9)
