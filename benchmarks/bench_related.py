"""Related levels: an animal model of 20 000 animals in ten generations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedlm2

ANIMALS, GENERATIONS, SIRES, DAMS = 20_000, 10, 40, 700


@pytest.fixture(scope="module")
def herd() -> pd.DataFrame:
    """Animals with parents and a record; in each generation few sires and many dams."""
    rng = np.random.default_rng(1)
    size = ANIMALS // GENERATIONS
    sire, dam, value = np.zeros(ANIMALS, int), np.zeros(ANIMALS, int), np.zeros(ANIMALS)
    for g in range(GENERATIONS):
        now = np.arange(g * size, (g + 1) * size)
        value[now] = rng.normal(size=size)
        if g:
            before = now - size
            sire[now] = rng.choice(rng.choice(before[::2], SIRES, replace=False), size) + 1
            dam[now] = rng.choice(rng.choice(before[1::2], DAMS, replace=False), size) + 1
            value[now] *= np.sqrt(0.5)
            value[now] += (value[sire[now] - 1] + value[dam[now] - 1]) / 2
    generation = np.repeat(np.arange(GENERATIONS), size)
    return pd.DataFrame(
        {
            "animal": np.arange(1, ANIMALS + 1),
            "sire": sire,
            "dam": dam,
            "generation": generation,
            "y": 10 + value + 1.3 * rng.normal(size=ANIMALS),
        }
    )


def test_animals(benchmark, herd):
    def fit():
        pedigree = herd[["animal", "sire", "dam"]]
        model = mixedlm2("y ~ generation + (1 | animal)", herd, pedigree=pedigree)
        return model.fit(reml=True)

    result = benchmark(fit)
    assert result.converged
    assert_allclose(np.square(result.theta[0]) * result.sigma**2, 1.0, atol=0.2)
    benchmark.extra_info["evaluations"] = result.report.evaluations
