"""Generalized models with covariance structures: derivatives, equivalent models, what follows."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from structured_checks import check_gradient

from statsmodels_mixed import mixedglm2

GROUPS, TIMES = 30, 6


@pytest.fixture(scope="module")
def counts() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    L = np.linalg.cholesky(0.7 ** np.abs(np.subtract.outer(range(TIMES), range(TIMES))))
    effects = (rng.normal(size=(GROUPS, TIMES)) @ L.T * 0.8).ravel()
    frame = pd.DataFrame(
        {
            "g": np.repeat(np.arange(GROUPS), TIMES),
            "t": np.tile(np.arange(TIMES), GROUPS),
            "x": rng.normal(size=GROUPS * TIMES),
        }
    )
    frame["f"] = (frame["t"] % 3).astype(str)
    frame["y"] = rng.poisson(np.exp(0.5 + 0.3 * frame["x"] + effects))
    frame["z"] = (rng.random(len(frame)) < 1 / (1 + np.exp(-frame["x"] - effects))).astype(int)
    return frame


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("y ~ x + ar1(0 + t | g) + (1 | t)", "poisson"),
        ("y ~ x + hcs(0 + f | g)", "negative_binomial"),
        ("z ~ x + exp(0 + t | g, nugget=True)", "binomial"),
    ],
)
def test_gradient(counts, formula, family):
    model = mixedglm2(formula, counts, family=family)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit(max_eval=3)
    check_gradient(fit)


def test_the_maximum_is_one(counts):
    """No point nearby is better, by the objective at given theta."""
    model = mixedglm2("y ~ x + ar1(0 + t | g)", counts, family="poisson")
    fit = model.fit()
    assert fit.converged
    sd, rho = fit.covariance_structures["estimate"]
    lags = np.abs(np.subtract.outer(range(TIMES), range(TIMES)))

    def objective(sd, rho, beta):
        T = np.linalg.cholesky(sd**2 * rho**lags)
        return model.objective(T.T[np.triu_indices(TIMES)], beta)

    beta = fit.params.to_numpy()
    best = objective(sd, rho, beta)
    assert best == pytest.approx(fit.objective, rel=1e-10)
    for shift in np.concatenate([np.eye(4), -np.eye(4)]) * 1e-3:
        assert objective(sd + shift[0], rho + shift[1], beta + shift[2:]) > best


def test_equivalent_models(counts):
    ordinary = mixedglm2("y ~ x + (1 + x | g)", counts, family="poisson").fit()
    named = mixedglm2("y ~ x + us(1 + x | g)", counts, family="poisson").fit()
    assert named.llf == pytest.approx(ordinary.llf, rel=1e-9)
    assert named.params.to_numpy() == pytest.approx(ordinary.params.to_numpy(), rel=1e-4)
    for cov_type, options in (("hessian", None), ("cluster", {"groups": "g"})):
        one, other = (
            fit.with_inference(cov_type=cov_type, cov_kwds=options).bse.to_numpy()
            for fit in (ordinary, named)
        )
        assert other == pytest.approx(one, rel=1e-3)
    nested = mixedglm2("y ~ x + (1 | g) + (1 | g:f)", counts, family="poisson").fit()
    cs = mixedglm2("y ~ x + cs(0 + f | g)", counts, family="poisson").fit()
    assert cs.llf == pytest.approx(nested.llf, rel=1e-8)


def test_what_follows_a_fit(counts):
    fit = mixedglm2("y ~ x + ar1(0 + t | g)", counts, family="poisson").fit()
    small = mixedglm2("y ~ x + ar1(0 + t | g)", counts[counts["g"] != 3], family="poisson").fit()
    left = fit.influence("g").params.loc[3].to_numpy()
    assert left == pytest.approx(small.params.to_numpy(), rel=1e-3)
    bootstrap = fit.bootstrap(2, seed=1)
    responses = np.asarray(fit.simulate(2, seed=1))
    again = fit.refit(responses[:, 0])
    assert bootstrap.frame.iloc[0]["beta", "x"] == pytest.approx(again.params["x"], rel=1e-3)
    new = pd.DataFrame({"g": [0], "t": [20.0], "x": [0.0]})
    far = fit.get_prediction(new, re=True, which="linear").summary_frame()
    sd, _ = fit.covariance_structures["estimate"]
    assert far["mean_se"].iloc[0] > 0.99 * sd


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
def test_counts_without_effects_are_those_of_a_generalized_linear_model():
    """Beside a variance of zero the rate has no effect, and curvatures are rounding errors."""
    rng = np.random.default_rng(0)
    g, t = (each.ravel() for each in np.indices((20, 6)))
    frame = pd.DataFrame({"g": g, "t": t, "x": rng.normal(size=120)})
    frame["y"] = rng.poisson(np.exp(0.5 + 0.3 * frame["x"]))
    fit = mixedglm2("y ~ x + ou(0 + t | g)", frame, family="poisson").fit()
    plain = smf.glm("y ~ x", frame, family=sm.families.Poisson()).fit()
    assert fit.converged
    assert fit.llf == pytest.approx(plain.llf, abs=1e-6)
