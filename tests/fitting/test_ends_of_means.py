"""Coefficients that take means to an end of their range have no finite estimate."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from statsmodels.genmod.families import Gaussian, links

from statsmodels_mixed import GeneralizedLinearMixedModel, SeparationWarning
from statsmodels_mixed.bootstrap.cases import cases_of
from statsmodels_mixed.fitting.problem import problem_of
from statsmodels_mixed.simulation.streams import read_seed, stream

LOGIT = Gaussian(links.Logit(), check_link=False)


def groups(seed=0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 6), "f": np.tile(list("abc"), 24)})
    return data, rng.normal(scale=0.3, size=12)[data["g"]], rng.normal(scale=0.3, size=len(data))


def caught(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit = call()
    return fit, [one.category for one in found]


def test_negative_responses_take_a_mean_of_the_log_link_to_zero():
    # Every row of level c is below all means that exp() can have: the likelihood rises as its
    # coefficient falls, for ever.
    data, b, noise = groups()
    data["y"] = np.where(data["f"] == "c", -2.0 + noise, np.exp(0.5 + b) + noise)
    model = GeneralizedLinearMixedModel.from_formula("y ~ f + (1 | g)", data, Gaussian(links.Log()))
    fit, categories = caught(model.fit)
    assert SeparationWarning in categories
    assert fit.separated == ("f[T.c]",)
    assert np.isnan(fit.bse["f[T.c]"])
    assert fit.separation.sign.tolist() == [0.0, 0.0, -1.0]
    estimates = fit.estimates
    refits = problem_of(fit.model.design, estimates).refits(
        np.array([0.3]), np.array([0.5, 0.0, -3.0]), estimates.dispersion
    )
    replicates = refits.fitter()(1.1 * data["y"].to_numpy()[None], [False])
    assert replicates.separated.tolist() == [[0.0, 0.0, -1.0]]


def test_means_inside_their_range_separate_nothing():
    data, b, noise = groups(2)
    data["y"] = 1 / (1 + np.exp(-b)) + noise
    model = GeneralizedLinearMixedModel.from_formula("y ~ f + (1 | g)", data, LOGIT)
    fit, categories = caught(model.fit)
    assert SeparationWarning not in categories
    assert fit.separated == () and np.isfinite(fit.bse).all()


def test_a_step_between_two_rows_has_no_slope():
    """Two rows determine two of three coefficients; all others are at 0 or 1, whichever the rest.

    Standard errors of 4e7 were reported, which differed by a tenth where levels had other names.
    """
    y = [0.78, -0.12, -0.2, -0.3, -0.7, 0.61, 0.86, 2.24, -0.41, 0.51, 1.7, 2.09, 1.04, -0.15]
    y += [1.9, 1.27, 2.21]
    x = [1.89, 0.94, 1.19, 1.09, 0.49, 0.74, 0.36, 0.3, 0.66, 0.19, -0.36, -0.94, -0.71, -1.1]
    x += [-0.98, -1.31, -2.07]
    weights = [3.6, 5.9, 0.1, 9.2, 5.6, 4.5, 0.17, 0.61, 0.46, 0.17, 0.69, 0.92, 2.6, 0.31, 3.4]
    weights += [2.7, 0.31]
    data = pd.DataFrame({"y": y, "x": x, "w": weights, "f": list("bbaababbaabbabaaa")})
    data["g"] = [2, 4, 0, 2, 5, 2, 4, 0, 3, 3, 0, 2, 0, 2, 0, 4, 5]
    model = GeneralizedLinearMixedModel.from_formula(
        "y ~ x + f + (1 | g)", data, LOGIT, weights="w"
    )
    fit, categories = caught(model.fit)
    assert SeparationWarning in categories
    assert fit.separated == ("Intercept", "f[T.b]", "x")
    assert np.isnan(fit.bse).all()


def test_samples_and_deletions_that_take_a_mean_to_its_end_say_so():
    """Level c has a positive mean by its rows of one group; of the others all are below zero."""
    data, b, noise = groups()
    data["y"] = np.exp(0.5 + b) + noise
    negative = (data["f"] == "c") & (data["g"] != 0)
    data.loc[negative, "y"] = -0.2 + 0.1 * noise[negative]
    data.loc[(data["f"] == "c") & ~negative, "y"] = 5.0
    model = GeneralizedLinearMixedModel.from_formula("y ~ f + (1 | g)", data, Gaussian(links.Log()))
    fit, _ = caught(model.fit)
    assert fit.separated == ()
    deleted, _ = caught(lambda: fit.influence("g").params)
    assert np.isnan(deleted["f[T.c]"]).tolist() == [True] + [False] * 11
    drawn = cases_of(fit.model.kept_design(), None)
    length = drawn.stream_length
    samples = [drawn.draw(stream(read_seed(1), i), length) for i in range(2)]
    replicates, _ = caught(lambda: fit.bootstrap(2 * length, seed=1, kind="cases"))
    ends = np.isinf(replicates.frame["beta", "f[T.c]"].to_numpy())
    assert ends.tolist() == [0 not in sample for sample in np.vstack(samples)]
