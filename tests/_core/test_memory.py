"""Models that do not fit in memory are refused before memory is asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import DataError, mixedglm2, mixedlm2
from statsmodels_mixed._core import memory
from statsmodels_mixed.fitting.crossprod import form_crossproducts


def crossed(levels: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 20 * levels
    data = {name: rng.integers(0, levels, n) for name in "ab"}
    y = rng.normal(size=n) + sum(rng.normal(size=levels)[refs] for refs in data.values())
    return pd.DataFrame({"y": y, **data})


def test_the_memory_of_a_workspace_is_that_of_its_parts():
    model = mixedlm2("y ~ 1 + (1 | a) + (1 | b)", crossed(200))
    sizes = form_crossproducts(model.design, None).workspace.design.sizes
    tail = sizes["tail_size"] ** 2 + sizes["head_values"]
    least = 8 * (2 * tail + sizes["nblocks"])
    assert least < sizes["workspace_bytes"] < 1.2 * least  # nothing as long as the rows


def test_a_model_beyond_the_memory_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(memory, "SMALL", 1)
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 20)
    model = mixedlm2("y ~ 1 + (1 | a) + (1 | b)", crossed(500))
    with pytest.raises(MemoryError, match=r"needs 0\.0\d+ GiB of memory and 0\.000977 GiB are"):
        model.fit(solver="direct")
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    assert model.fit().converged


def test_the_memory_of_a_control_group_counts(monkeypatch, tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable: 50 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", meminfo)
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    assert memory.available_memory() == 50 * 1024
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_memory() == 50 * 1024
    (tmp_path / "memory.max").write_text("3000\n")
    assert memory.available_memory() == 2000
    meminfo.unlink()
    assert memory.available_memory() is None


def places(count: int) -> pd.DataFrame:
    g, t = (each.ravel() for each in np.indices((2, count)))
    return pd.DataFrame({"g": g, "t": t, "count": np.random.default_rng(0).poisson(1.0, 2 * count)})


def test_covariance_matrices_of_many_places_are_what_is_too_large(monkeypatch):
    # 20 places have 210 elements, 300 have 45150.
    model = mixedglm2("count ~ 1 + ar1(0 + t | g)", places(20), "poisson")
    monkeypatch.setattr(memory, "SMALL", 1)
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 10)
    with pytest.raises(MemoryError, match=r"random effects have 210 elements.* fewer places"):
        model.fit()
    model = mixedglm2("count ~ 1 + ar1(0 + t | g)", places(300), "poisson")
    with pytest.raises(DataError, match=r"have 45150 elements, more than 32767: .* rounding times"):
        model.fit()
