"""Conditional variances of chosen levels: after direct fits, and by solves after iterative ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import datasets, mixedglm2, mixedlm2
from statsmodels_mixed._core import memory
from statsmodels_mixed.errors import OptionError


def data(rows=3000):
    rng = np.random.default_rng(3)
    a, b, x = rng.integers(0, 150, rows), rng.integers(0, 60, rows), rng.normal(size=rows)
    eta = 0.3 + 0.5 * rng.normal(size=150)[a] + 0.4 * rng.normal(size=60)[b] * (1 + 5 * x)
    noise = rng.normal(size=rows)
    names = np.array([f"l{i}" for i in range(150)])
    return pd.DataFrame(
        {
            "y": eta + noise,
            "count": rng.poisson(np.exp(0.3 * eta)),
            "x": 9 + x,
            "a": names[a],
            "b": b,
        }
    )


LEVELS = {"b": [7, 3], "a": ["l9", "l140", "l2"]}


@pytest.mark.parametrize("kind", ["linear", "poisson"])
def test_solves_for_chosen_levels_are_the_blocks_of_the_factorization(kind, monkeypatch):
    if kind == "linear":
        model = mixedlm2("y ~ x + (1 | a) + (x | b)", data())
    else:
        model = mixedglm2("count ~ x + (1 | a) + (x | b)", data(), "poisson")
    fit = model.fit(solver="iterative")
    exact = fit.condvar()  # the factorization at the same estimates
    errors = fit.ranef(se=True)
    monkeypatch.setattr(memory, "SMALL", 1)
    monkeypatch.setattr(memory, "available_memory", lambda: 1)
    with pytest.raises(MemoryError, match="levels="):
        fit.condvar()
    found = fit.condvar(levels=LEVELS)
    assert set(found) == {"a", "b"}
    for name, labels in LEVELS.items():
        assert list(found[name].levels) == labels
        for label in labels:
            assert_allclose(found[name].of(label), exact[name].of(label), rtol=1e-6, atol=1e-12)
        table = fit.ranef(se=True, levels=LEVELS)[name]
        pd.testing.assert_frame_equal(table, errors[name].loc[labels], rtol=1e-6)
    assert set(fit.condvar(levels={"a": ["l9"]})) == {"a"}


def test_chosen_levels_of_a_direct_fit_are_rows_of_all():
    fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    some = fit.condvar(levels={"subj": ["S310", "S308"]})["subj"]
    assert_allclose(some.of("S308"), fit.condvar()["subj"].of("S308"))
    long = fit.ranef(form="long", levels={"subj": ["S310"]})
    everything = fit.ranef(form="long")
    expected = everything[everything["level"] == "S310"].reset_index(drop=True)
    pd.testing.assert_frame_equal(long, expected)
    assert list(fit.ranef(levels={"subj": ["S310"]})["subj"].index) == ["S310"]


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"item": ["S308"]}, "names 'item', which is no grouping factor: subj"),
        ({"subj": ["S308", "S1"]}, "has 'S1', which is no level of 'subj'"),
        ({"subj": "S308"}, "a list of labels for 'subj', not 'S308'"),
    ],
)
def test_unknown_levels_are_refused(levels, message):
    fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    with pytest.raises(OptionError, match=message):
        fit.condvar(levels=levels)
    with pytest.raises(OptionError, match=message):
        fit.ranef(levels=levels)
