"""Responses drawn from fits: their moments, their streams, and what is refused."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.genmod.families import links

from statsmodels_mixed import LinearMixedModel, datasets
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.inference import simulate
from statsmodels_mixed.simulation.streams import stream_length

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"
DRAWS = 20_000
# Moments of this many draws are within this many of their standard errors.
ERRORS = 5.0


def sleepstudy() -> pd.DataFrame:
    return datasets.load("sleepstudy").assign(
        w=lambda d: 1.0 + d["days"] % 3,
        off=lambda d: 0.5 * d["days"] ** 2,
        late=lambda d: (d["reaction"] > 300).astype(float),
        count=lambda d: np.rint(d["reaction"] / 40),
        trials=lambda d: 2.0 + d["days"] % 4,
    )


@cache
def linear(formula: str = SLEEP, **options: Any) -> Any:
    return smf.mixedlm2(formula, sleepstudy(), **options).fit()


@cache
def drawn(re: str, **options: Any) -> np.ndarray:
    return simulate(linear(**options), DRAWS, seed=12, re=re)


def covariance_of(result: Any) -> np.ndarray:
    """Marginal covariance of the response, dense."""
    design = result.model.design
    n = len(design.y)
    weights = np.ones(n) if design.weights is None else design.weights
    V = np.diag(result.scale / weights)
    for block, T in zip(design.blocks, result.estimates.factors, strict=True):
        same = block.refs[:, None] == block.refs
        V = V + result.scale * same * (block.z @ T @ T.T @ block.z.T)
    return V


def assert_moments(draws: np.ndarray, mean: np.ndarray, V: np.ndarray) -> None:
    """Compare mean and covariance of normal draws, shape (n, m), with what they should be."""
    m = draws.shape[1]
    variance = np.diag(V)
    assert np.all(np.abs(draws.mean(axis=1) - mean) < ERRORS * np.sqrt(variance / m))
    error = np.sqrt((np.outer(variance, variance) + V**2) / m)
    assert np.all(np.abs(np.cov(draws) - V) < ERRORS * error)


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"offset": "off"}], ids=str)
def test_new_responses_have_the_moments_of_the_model(options):
    result = linear(**options)
    mean = result.estimates.linear_predictor
    assert_moments(drawn("new", **options), mean, covariance_of(result))


def test_conditional_responses_keep_the_random_effects():
    result = linear(weights="w")
    V = np.diag(result.scale / result.model.design.weights)
    assert_moments(drawn("conditional", weights="w"), np.asarray(result.fittedvalues), V)


def test_crossed_effects_are_drawn_for_each_factor():
    data = datasets.load("penicillin")
    result = smf.mixedlm2("diameter ~ 1 + (1 | plate) + (1 | sample)", data).fit()
    draws = simulate(result, DRAWS, seed=1)
    assert_moments(draws, result.estimates.linear_predictor, covariance_of(result))


def test_hypothesized_parameters_take_the_place_of_estimates():
    result = linear()
    draws = simulate(result, DRAWS, seed=4, beta=[100.0, -2.0], theta=[2.0, 0.5, 0.0], sigma=3.0)
    mean = 100.0 - 2.0 * sleepstudy()["days"].to_numpy()
    T = np.array([[2.0, 0.0], [0.5, 0.0]])
    design = result.model.design
    block = design.blocks[0]
    same = block.refs[:, None] == block.refs
    assert_moments(draws, mean, 9.0 * (np.eye(180) + same * (block.z @ T @ T.T @ block.z.T)))


# Streams.


def test_the_same_seed_gives_the_same_first_draws():
    many = simulate(linear(), 150, seed=8)
    assert many.shape == (180, 150)
    for n in (1, 63, 64, 65, 100):
        assert_array_equal(simulate(linear(), n, seed=8), many[:, :n])
    assert not np.array_equal(simulate(linear(), 150, seed=9), many)
    assert len(np.unique(many[0])) == 150


def test_a_seed_may_be_many_things():
    def first(seed: Any) -> float:
        return float(simulate(linear(), seed=seed)[0, 0])

    plain = first(8)
    assert first(np.random.SeedSequence(8)) == plain
    used = np.random.SeedSequence(8)
    used.spawn(3)
    assert first(used) == plain
    assert first([8, 9]) != plain
    assert first(np.random.SeedSequence(8, spawn_key=(1,))) != plain
    assert first(np.random.default_rng(8)) == first(np.random.default_rng(8))
    generator = np.random.default_rng(8)
    assert first(generator) != first(generator)
    assert first(None) != first(None)


def test_streams_are_short_when_the_model_is_large():
    assert [stream_length(n) for n in (36, 216, 256, 257, 4000, 40_000)] == [128, 32, 32, 16, 2, 1]
    assert [stream_length(n, "generalized") for n in (36, 4000, 40_000)] == [4, 2, 1]


# Generalized models.


def glmm(formula: str, family: Any, **options: Any) -> Any:
    return smf.mixedglm2(formula, sleepstudy(), family, **options).fit()


def assert_conditional_moments(result: Any, variance: np.ndarray, m: int = 8000) -> np.ndarray:
    """Compare moments given the random effects; return the draws."""
    draws = simulate(result, m, seed=21, re="conditional")
    mu = np.asarray(result.fittedvalues)
    assert np.all(np.abs(draws.mean(axis=1) - mu) < ERRORS * np.sqrt(variance / m))
    squares = (draws - mu[:, None]) ** 2
    error = squares.std(axis=1) / math.sqrt(m)
    assert np.all(np.abs(squares.mean(axis=1) - variance) < ERRORS * error + 1e-12)
    return draws


def test_zeros_and_ones():
    result = glmm("late ~ days + (1 | subj)", sm.families.Binomial())
    mu = np.asarray(result.fittedvalues)
    draws = assert_conditional_moments(result, mu * (1 - mu))
    assert set(np.unique(draws)) == {0.0, 1.0}


def test_proportions_of_trials():
    data = datasets.load("cbpp")
    result = smf.mixedglm2(
        "incid / hsz ~ period + (1 | herd)", data, sm.families.Binomial(), weights="hsz"
    ).fit()
    mu, trials = np.asarray(result.fittedvalues), data["hsz"].to_numpy()
    draws = assert_conditional_moments(result, mu * (1 - mu) / trials)
    counts = draws * trials[:, None]
    assert_allclose(counts, np.rint(counts), atol=1e-9)


def test_counts():
    result = glmm("count ~ days + (1 | subj)", sm.families.Poisson())
    draws = assert_conditional_moments(result, np.asarray(result.fittedvalues))
    assert_array_equal(draws, np.rint(draws))


def test_counts_that_stand_for_several_rows_are_means():
    result = glmm("count ~ days + (1 | subj)", sm.families.Poisson(), weights="trials")
    trials = sleepstudy()["trials"].to_numpy()
    draws = assert_conditional_moments(result, np.asarray(result.fittedvalues) / trials)
    totals = draws * trials[:, None]
    assert_allclose(totals, np.rint(totals), atol=1e-9)


@pytest.mark.parametrize(
    ("family", "variance"),
    [
        (sm.families.Gamma(links.Log()), lambda mu: mu**2),
        (sm.families.InverseGaussian(links.Log()), lambda mu: mu**3),
        (sm.families.Gaussian(links.Log()), lambda mu: np.ones_like(mu)),
    ],
    ids=["gamma", "inverse gaussian", "gaussian"],
)
@pytest.mark.parametrize("weights", [None, "w"])
def test_families_with_a_dispersion(family, variance, weights):
    result = glmm("reaction ~ days + (1 | subj)", family, weights=weights)
    w = np.ones(180) if weights is None else sleepstudy()["w"].to_numpy()
    mu = np.asarray(result.fittedvalues)
    assert_conditional_moments(result, result.dispersion * variance(mu) / w)


def test_negative_binomial_counts():
    ticks = datasets.load("grouseticks")
    family = sm.families.NegativeBinomial(alpha=1.0)
    result = smf.mixedglm2("ticks ~ year + (1 | brood)", ticks, family).fit()
    mu = np.asarray(result.fittedvalues)
    assert_conditional_moments(result, mu + result.dispersion * mu**2, m=4000)


def test_new_effects_of_a_generalized_model():
    # With a log link and one row per level left, log E(y) = x'beta + var / 2.
    result = glmm("count ~ 1 + (1 | subj)", sm.families.Poisson())
    m = 4000
    draws = simulate(result, m, seed=2, theta=[0.5])
    expected = math.exp(float(result.params.iloc[0]) + 0.125)
    by_subject = draws.reshape(18, 10, m).mean(axis=1)
    error = by_subject.std() / math.sqrt(18 * m)
    assert abs(by_subject.mean() - expected) < ERRORS * error
    again = simulate(result, 70, seed=2, theta=[0.5])
    assert_array_equal(again, draws[:, :70])


def test_a_hypothesized_dispersion_is_used():
    result = glmm("reaction ~ days + (1 | subj)", sm.families.Gamma(links.Log()))
    draws = simulate(result, 4000, seed=2, re="conditional", dispersion=0.25)
    relative = draws / np.asarray(result.fittedvalues)[:, None]
    assert_allclose(relative.var(), 0.25, rtol=0.02)


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n=0 is not possible"),
        ({"n": 2.5}, "n must be a whole number, not 2.5"),
        ({"n": True}, "n=True is not possible"),
        ({"re": "old"}, 're must be "new" or "conditional"'),
        ({"seed": -1}, "seed must be a whole number >= 0.*not -1"),
        ({"seed": "a"}, "seed must be a whole number >= 0.*not 'a'"),
        ({"sigma": 0.0}, r"sigma=0\.0 is not possible"),
        ({"beta": [1.0]}, "beta= must hold 2 finite numbers"),
        ({"theta": [1.0, np.nan, 1.0]}, "theta= must hold 3 finite numbers"),
        ({"dispersion": 1.0}, "dispersion= is for generalized models"),
        ({"re": "conditional", "theta": [1.0, 0.0, 1.0]}, "theta= cannot be used"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        simulate(linear(), **arguments)


def test_options_of_the_other_kind_of_model_are_refused():
    counts = glmm("count ~ days + (1 | subj)", sm.families.Poisson())
    with pytest.raises(OptionError, match="sigma= is for linear models"):
        simulate(counts, sigma=1.0)
    with pytest.raises(OptionError, match="the family poisson has no dispersion"):
        simulate(counts, dispersion=1.0)


def test_weights_that_no_response_can_have_are_refused():
    ticks = datasets.load("grouseticks").assign(w=2.0)
    family = sm.families.NegativeBinomial(alpha=1.0)
    result = smf.mixedglm2("ticks ~ year + (1 | brood)", ticks, family, weights="w").fit()
    with pytest.raises(OptionError, match="weights of a negative binomial"):
        simulate(result)


def test_means_outside_the_range_of_the_family_are_an_error():
    result = glmm("reaction ~ days + (1 | subj)", sm.families.Gamma(links.Identity()))
    with pytest.raises(DataError, match="the link identity does not keep means in its range"):
        simulate(result, beta=[-100.0, 0.0])


def test_means_that_are_no_numbers_are_an_error():
    """The root of a negative linear predictor: NumPy draws NaN from NaN."""
    rng, g = np.random.default_rng(1), np.repeat(np.arange(10), 10)
    mu = np.exp(rng.normal(size=10) * 0.3)[g]
    data = pd.DataFrame({"y": rng.wald(mu, 5.0), "g": g})
    result = smf.mixedglm2("y ~ 1 + (1 | g)", data, sm.families.InverseGaussian()).fit()
    with pytest.raises(DataError, match="impossible for the family inverse_gaussian"):
        simulate(result, 3, seed=1, theta=[5.0])


def test_a_result_without_data_is_refused():
    result = smf.mixedlm2(SLEEP, sleepstudy()).fit()
    result.remove_data()
    with pytest.raises(DataError, match="the data of this result were removed"):
        simulate(result)


# New data.


def new_rows() -> pd.DataFrame:
    """Two subjects of the fit and two strangers, rows of one subject apart."""
    return pd.DataFrame(
        {
            "days": [0.0, 3.0, 9.0, 1.0, 5.0, 2.0, 7.0],
            "subj": ["S308", "new", "S308", "other", "new", "S335", "S335"],
        },
        index=list("abcdefg"),
    )


def test_new_rows_with_new_random_effects():
    result, new = linear(), new_rows()
    draws = simulate(result, DRAWS, seed=5, exog=new)
    z = np.column_stack([np.ones(7), new["days"]])
    same = new["subj"].to_numpy()[:, None] == new["subj"].to_numpy()
    V = result.scale * np.eye(7) + same * (z @ result.cov_re.to_numpy() @ z.T)
    assert_moments(draws, result.predict(new).to_numpy(), V)
    assert_array_equal(simulate(result, 90, seed=5, exog=new), draws[:, :90])


def test_new_rows_keep_the_effects_of_levels_that_are_known():
    result, new = linear(), new_rows()
    draws = simulate(result, DRAWS, seed=5, re="conditional", exog=new)
    unseen = ~new["subj"].str.startswith("S").to_numpy()
    z = np.column_stack([np.ones(7), new["days"]]) * unseen[:, None]
    same = new["subj"].to_numpy()[:, None] == new["subj"].to_numpy()
    V = result.scale * np.eye(7) + same * (z @ result.cov_re.to_numpy() @ z.T)
    mean = result.predict(new, re=True, new_levels="population")
    assert_moments(draws, mean.to_numpy(), V)
    at_zero = simulate(result, DRAWS, seed=6, re="conditional", exog=new, new_levels="population")
    assert_moments(at_zero, mean.to_numpy(), result.scale * np.eye(7))
    absent = simulate(result, 3, seed=6, re="conditional", exog=new, new_levels="missing")
    assert_array_equal(np.isnan(absent), np.repeat(unseen[:, None], 3, axis=1))
    with pytest.raises(DataError, match="3 rows of the new data have levels of subj"):
        simulate(result, re="conditional", exog=new, new_levels="error")


def test_new_rows_of_crossed_factors():
    data = datasets.load("penicillin")
    result = smf.mixedlm2("diameter ~ 1 + (1 | plate) + (1 | sample)", data).fit()
    new = pd.DataFrame({"plate": ["a", "a", "zz", "zz"], "sample": ["A", "Q", "A", "Q"]})
    plate, sample = (float(result.cov_re[name].iloc[0, 0]) for name in ("plate", "sample"))
    same = {name: np.equal.outer(new[name].to_numpy(), new[name].to_numpy()) for name in new}
    V = result.scale * np.eye(4) + plate * same["plate"] + sample * same["sample"]
    draws = simulate(result, DRAWS, seed=1, exog=new)
    assert_moments(draws, result.predict(new).to_numpy(), V)
    known = simulate(result, DRAWS, seed=1, re="conditional", exog=new)
    V = result.scale * np.eye(4)
    V[2:, 2:] += plate
    V[np.ix_([1, 3], [1, 3])] += sample
    mean = result.predict(new, re=True, new_levels="population").to_numpy()
    assert_moments(known, mean, V)


def test_new_rows_that_are_the_old_ones():
    data = sleepstudy()
    for options in ({}, {"weights": "w"}, {"offset": "off"}):
        result = linear(**options)
        for re in ("new", "conditional"):
            ours = simulate(result, 70, seed=3, re=re, exog=data.drop(columns="reaction"))
            assert_allclose(ours, simulate(result, 70, seed=3, re=re), rtol=1e-12)
    for family, formula, options in [
        (sm.families.Poisson(), "count ~ days + (1 | subj)", {}),
        (sm.families.Gamma(links.Log()), "reaction ~ days + (1 | subj)", {"weights": "w"}),
    ]:
        fit = glmm(formula, family, **options)
        for re in ("new", "conditional"):
            ours = simulate(fit, 9, seed=3, re=re, exog=data)
            assert_allclose(ours, simulate(fit, 9, seed=3, re=re), rtol=1e-9)


def test_missing_values_in_new_rows():
    new = new_rows()
    new.loc["a", "days"] = np.nan
    new.loc["d", "subj"] = None
    for re in ("new", "conditional"):
        draws = simulate(linear(), 4, seed=5, re=re, exog=new)
        assert draws.shape == (7, 4)
        assert "".join(new.index[np.isnan(draws).any(axis=1)]) == "ad"
        complete = simulate(linear(), 4, seed=5, re=re, exog=new.drop(index=["a", "d"]))
        assert_array_equal(draws[~np.isnan(draws).any(axis=1)], complete)
    assert np.isnan(simulate(linear(), 2, exog=new.iloc[:1])).all()


def test_weights_offset_and_parameters_of_new_rows():
    new = new_rows()
    weighted = linear(weights="w")
    with pytest.raises(DataError, match="no column 'w'"):
        simulate(weighted, exog=new)
    w = np.array([1.0, 4.0, 1.0, 0.25, 1.0, 1.0, 9.0])
    for given in (w, "v"):
        draws = simulate(
            weighted, DRAWS, seed=2, re="conditional", exog=new.assign(v=w), weights=given,
            new_levels="population", sigma=2.0,
        )  # fmt: skip
        mean = weighted.predict(new, re=True, new_levels="population").to_numpy()
        assert_moments(draws, mean, np.diag(4.0 / w))
    with pytest.raises(DataError, match="weights of new rows must be positive"):
        simulate(weighted, exog=new, weights=-w)
    shifted = linear(offset="off")
    draws = simulate(shifted, DRAWS, seed=2, exog=new, offset=w, theta=[0.0, 0.0, 0.0], sigma=1.0)
    assert_moments(draws, shifted.predict(new, offset=w).to_numpy(), np.eye(7))
    moved = simulate(linear(), 3, seed=2, exog=new, beta=[1.0, 2.0])
    plain = simulate(linear(), 3, seed=2, exog=new)
    expected = 1.0 + 2.0 * new["days"] - linear().predict(new)
    assert_allclose(moved - plain, np.repeat(expected.to_numpy()[:, None], 3, axis=1))


def test_new_rows_of_proportions():
    data = datasets.load("cbpp")
    result = smf.mixedglm2(
        "incid / hsz ~ period + (1 | herd)", data, sm.families.Binomial(), weights="hsz"
    ).fit()
    new = data.head(3).drop(columns="incid").assign(hsz=[10, 20, 40])
    draws = simulate(result, 4000, seed=2, re="conditional", exog=new)
    counts = draws * np.array([10, 20, 40])[:, None]
    assert_allclose(counts, np.rint(counts), atol=1e-9)
    mu = result.predict(new, re=True).to_numpy()
    error = np.sqrt(mu * (1 - mu) / np.array([10, 20, 40]) / 4000)
    assert np.all(np.abs(draws.mean(axis=1) - mu) < ERRORS * error)
    with pytest.raises(DataError, match="no column 'hsz'"):
        simulate(result, exog=new.drop(columns="hsz"))
    single = simulate(result, 50, seed=1, exog=new.drop(columns="hsz"), weights=1)
    assert set(np.unique(single)) == {0.0, 1.0}
    with pytest.raises(OptionError, match="not whole"):
        simulate(result, exog=new, weights=2.5)


def test_new_rows_without_the_data_of_the_fit():
    result = smf.mixedlm2(SLEEP, sleepstudy()).fit()
    expected = simulate(result, 5, seed=1, re="conditional", exog=new_rows())
    result.remove_data()
    again = simulate(result, 5, seed=1, re="conditional", exog=new_rows())
    assert_array_equal(again, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exog": new_rows(), "re": "old"}, 're must be "new" or "conditional"'),
        ({"exog": new_rows(), "new_levels": "draw"}, r"new_levels= is for re="),
        (
            {"exog": new_rows(), "re": "conditional", "new_levels": "guess"},
            "new_levels must be one of draw, error, population, missing",
        ),
        ({"new_levels": "draw"}, "new_levels= is for new data"),
        ({"offset": 1.0}, "offset= is for new data"),
        ({"exposure": 1.0}, "exposure= is for new data"),
        ({"weights": 1.0}, "weights= is for new data"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_impossible_options_for_new_rows(arguments, message):
    with pytest.raises(OptionError, match=message):
        simulate(linear(), **arguments)


def test_new_rows_need_a_formula():
    data = sleepstudy()
    X = np.column_stack([np.ones(180), data["days"]])
    result = LinearMixedModel(data["reaction"], X, data["subj"]).fit()
    with pytest.raises(OptionError, match="exog= needs a model made from a formula"):
        simulate(result, exog=new_rows())
