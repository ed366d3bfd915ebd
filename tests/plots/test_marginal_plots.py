"""Plots of marginal means and contrasts: the means, intervals and names of their tables."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from statsmodels_mixed import OptionError, mixedglm2, mixedlm2

plt = pytest.importorskip("matplotlib.pyplot")


@cache
def data() -> pd.DataFrame:
    random = np.random.default_rng(1)
    table = pd.DataFrame({"g": random.integers(0, 20, 300), "x": random.normal(size=300)})
    table["a"], table["b"] = random.choice(list("uvw"), 300), random.choice(["low", "high"], 300)
    table["c"] = random.choice([1, 2], 300)
    table["y"] = random.normal(size=300) + (table["a"] == "v") * (table["b"] == "low")
    level = random.normal(size=20)[table["g"]]
    table["y"] += level
    table["n"] = random.poisson(2.0 * np.exp(0.5 * level))
    return table


@cache
def fit() -> Any:
    return mixedlm2("y ~ a * b * C(c) + x + (1 | g)", data()).fit()


def test_an_interaction_plot_has_a_line_for_each_value_of_the_second_variable():
    means = fit().emmeans(["a", "b"])
    (ax,) = means.plot().axes
    frame = means.to_frame()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["u", "v", "w"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["high", "low"]
    for number, value in enumerate(["high", "low"]):
        part = frame[frame["b"] == value]
        assert_allclose(ax.lines[number].get_ydata(), part["estimate"])
        ends = np.array([each[:, 1] for each in ax.collections[number].get_segments()])
        assert_allclose(ends, part[["lower", "upper"]])
    places = np.array([line.get_xdata() for line in ax.lines])
    assert_allclose(places.mean(axis=0), [0.0, 1.0, 2.0])


def test_variables_are_chosen_and_the_rest_has_panels():
    means = fit().emmeans(["a", "b"], by="c")
    figure = means.plot("b", "a", intervals=False)
    assert [ax.get_title() for ax in figure.axes] == ["c = 1", "c = 2"]
    frame = means.to_frame()
    part = frame[(frame["c"] == 2) & (frame["a"] == "v")]
    assert_allclose(figure.axes[1].lines[1].get_ydata(), part["estimate"])
    assert not figure.axes[0].collections
    _, ax = plt.subplots()
    assert fit().emmeans("a").plot(ax=ax) is ax
    with pytest.raises(OptionError, match="take the means by fewer variables"):
        means.plot(ax=ax)
    with pytest.raises(OptionError, match="x= 'z' is not among a, b, c"):
        means.plot("z")


def test_numbers_are_where_they_are():
    means = fit().emmeans("x", at={"x": [-1.0, 0.0, 3.0]})
    assert_allclose(means.plot().axes[0].lines[0].get_xdata(), [-1.0, 0.0, 3.0])


def test_contrasts_and_their_hypothesis():
    contrasts = fit().emmeans("a", by="b").contrasts("pairwise")
    ax = contrasts.plot()
    assert [tick.get_text() for tick in ax.get_yticklabels()][:2] == ["u - v, high", "u - w, high"]
    assert_allclose(ax.lines[1].get_xdata(), contrasts.estimate)
    assert_allclose(ax.lines[0].get_xdata(), [0.0, 0.0])
    counts = mixedglm2("n ~ a + (1 | g)", data(), sm.families.Poisson()).fit()
    ratios = counts.emmeans("a", type="response").contrasts("pairwise").plot()
    assert_allclose(ratios.lines[0].get_xdata(), [1.0, 1.0])
    assert not [
        line for line in fit().emmeans("a").plot.estimates().lines if len(line.get_xdata()) == 2
    ]
