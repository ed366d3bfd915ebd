"""Every kind of structure x every function after a fit, against dense matrices.

A kind that is registered joins by itself: among random effects, and if it is definite among
residuals. The likeliest to differ run always, the others with the slow tests.
"""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from dense_structures import Dense, differences
from every_structure import (
    FAMILIES,
    KINDS,
    RELATIONSHIP,
    RESIDUALS,
    SUBJECTS,
    Rows,
    columns,
    dense,
    generalized,
    generalized_model,
    linear,
    phi_of,
    pieces_of,
    residual,
    table,
)
from glmm_oracle import Model
from oracle import Term
from scipy.optimize import minimize
from scipy.stats import chi2

import statsmodels_mixed
from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import MixedModelWarning, OptionError
from statsmodels_mixed.structures import make

pytestmark = pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")

RISE = chi2.isf(0.05, 1)
# Where a fit is enough to see that a kind is like another that runs always.
SLOW = set(KINDS) - {"har1", "ou", "halves", "rr"}
# Estimates where a range leaves no correlation, so that smoothness changes nothing: information is
# singular but for rounding, and differences step to ranges below zero.
FLAT = {("mat", model) for model in ("residual ML", "dispersion ML", "dispersion REML")}
# A range of a millionth of the least distance, by which differences do not tell second derivatives.
TINY = {("ratio", "by REML")}
# There refits, which begin at the estimates, stay at another maximum than fits do.
ELSEWHERE = {("mat", "poisson")}
# Covariances of eight subjects at four times, some missing: the likelihood has no maximum.
NO_MAXIMUM = {("us", "by REML"), ("us", "by ML")}
# A range at the least distance of places, where spherical correlations have a kink, and a share
# that is none but for rounding, where its mapping turns.
KINKS = {("spher", "by REML"), ("spher", "by ML"), ("halves", "by REML")}
# Sigma is a linear function of some variances and covariances.
LINEAR_KINDS = {"us", "diag", "homdiag", "cs", "toep"}
# Their many parameters are profiled for long.
MANY = {"har1", "rr"}
# Their order or their number of parameters gives them no covariance at a new place.
NO_NEW_PLACES = {"har1", "toep", "htoep", "ad", "had"}
FAMILY = {"poisson": sm.families.Poisson, "binomial": sm.families.Binomial}


def cases(models: tuple[str, ...], slow_kinds: set[str] = SLOW) -> list[Any]:
    found = []
    for kind in KINDS:
        for model in models:
            definite = make(kind).definite or model.split()[0] not in RESIDUALS
            if not definite or (kind, model) in NO_MAXIMUM:
                continue
            slow = kind in slow_kinds or (model.endswith("ML") and not model.endswith("REML"))
            found.append(pytest.param(kind, model, marks=[pytest.mark.slow] * slow))
    return found


@cache
def fitted(kind: str, model: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        if model in FAMILIES:
            return generalized(kind, model)
        reml = model.endswith("REML")
        what = model.split()[0]
        if what in RESIDUALS:
            return residual(kind, reml, **RESIDUALS[what])
        return linear(kind, reml, **(RELATIONSHIP if what == "related" else {}))


def data_of(kind: str, model: str) -> pd.DataFrame:
    return table(kind, 1 if model.split()[0] in RESIDUALS else 2)


@cache
def oracle(kind: str, model: str) -> Dense:
    return dense(fitted(kind, model), kind, data_of(kind, model))


def at_edge(fit: Any) -> bool:
    """Whether derivatives at the estimates say nothing of a maximum."""
    if fit.takes_correlated:
        return any(each.at_bounds for each in fit.estimates.structures)
    return bool(fit.estimates.structured.at_bounds) or fit.issingular()


LINEAR = ("REML", "residual REML", "ML", "residual ML")
# With strata, unequal variances and related levels.
MORE = ("by REML", "dispersion REML", "related REML", "by ML", "dispersion ML", "related ML")


@pytest.mark.parametrize(("kind", "model"), cases(LINEAR + MORE))
def test_estimates(kind: str, model: str) -> None:
    fit, own = fitted(kind, model), oracle(kind, model)
    assert fit.converged
    assert fit.llf == pytest.approx(-own.value(own.at) / 2, rel=1e-10)
    beta, M = own.beta()
    assert fit.params.to_numpy() == pytest.approx(beta, rel=1e-7)
    assert fit.bse.to_numpy() == pytest.approx(np.sqrt(np.diag(M)), rel=1e-7)
    if not at_edge(fit) and (kind, model) not in KINKS | FLAT:
        slopes = own.slope(own.at) * np.maximum(np.abs(own.at), 0.05)
        assert slopes == pytest.approx(np.zeros(len(slopes)), abs=2e-4)
    text = str(fit.summary())
    names = fit.estimates.natural.names if fit.takes_correlated else fit.estimates.structured.names
    assert kind in text and all(name.split(".")[-1] in text for name in names)


@pytest.mark.parametrize(("kind", "model"), cases(LINEAR + MORE))
def test_degrees_of_freedom(kind: str, model: str) -> None:
    fit, own = fitted(kind, model), oracle(kind, model)
    if at_edge(fit) or (kind, model) in FLAT | KINKS:
        pytest.skip("a parameter is at the end of its range")
    found = fit.with_inference(dof="satterthwaite")
    assert found.df_coef.to_numpy() == pytest.approx(own.satterthwaite(), rel=1e-4)
    if not fit.reml:
        return
    if model.startswith("dispersion"):
        own = replace(own, pieces=tuple(piece.about_means() for piece in own.pieces))
    for dof in ("kenward-roger-linear", "kenward-roger"):
        first_order = dof.endswith("linear") or kind in LINEAR_KINDS
        if not dof.endswith("linear") and first_order and model.startswith("dispersion"):
            continue  # in variances and covariances, which `Dense` does not have
        if not first_order and (kind, model) in TINY:
            continue
        V, df = own.kenward_roger(expected=not fit.takes_correlated, linear=first_order)
        if not np.linalg.eigvalsh(V)[0] > 0.0:
            with pytest.raises(OptionError, match="covariance is not positive definite here"):
                fit.with_inference(dof=dof)
            continue
        found = fit.with_inference(dof=dof)
        assert found.bse.to_numpy() == pytest.approx(np.sqrt(np.diag(V)), rel=1e-5)
        assert found.df_coef.to_numpy() == pytest.approx(df, rel=1e-4)


def new_rows(times: list[float]) -> pd.DataFrame:
    """Rows of two known levels, one of which is not seen at time 2, and of a new one."""
    labels = [dict(enumerate("abcd")).get(int(t), "a") for t in times]
    return pd.DataFrame(
        {"g": [3, 3, 0, 99], "t": times, "f": labels, "x": [0.3, 0.1, -1, 0.5], "h": [1, 77, 2, 1]}
    )


@pytest.mark.parametrize(("kind", "model"), cases(("REML", "ML")))
def test_predictions_are_kriged(kind: str, model: str) -> None:
    fit, own, data = fitted(kind, model), oracle(kind, model), data_of(kind, model)
    tries = [(new_rows([2.0, 1.0, 2.0, 2.0]), np.arange(4.0))]
    if make(kind).needs != "columns" and kind not in NO_NEW_PLACES:
        places = np.array([0, 1, 1.5, 2, 3, 6.5] if make(kind).needs == "coordinates" else range(6))
        tries.append((new_rows([places[-1], places[-2], 2.0, places[-1]]), places))
    for rows, places in tries:
        found = fit.get_prediction(rows, re=True, new_levels="population").summary_frame()
        joint = replace(own, pieces=pieces_of(fit, kind, data, places))
        mean, error = joint.effects(pieces_of(fit, kind, rows, places), columns(rows))
        assert found["mean"].to_numpy() == pytest.approx(mean, rel=1e-6)
        assert found["mean_se"].to_numpy() == pytest.approx(error, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(("kind", "model"), cases(("REML", "ML")))
def test_effects_and_shares(kind: str, model: str) -> None:
    fit, own, data = fitted(kind, model), oracle(kind, model), data_of(kind, model)
    g, t = (each.ravel() for each in np.indices((SUBJECTS, 4)))
    every = Rows(kind, own.split(own.at)[0]).piece(pd.DataFrame({"g": g, "t": t}))
    W, _, e = own.parts(own.at)
    C, prior = every.covariance(every.phi, own.pieces[0]), every.covariance(every.phi)
    variance = np.diag(prior) - np.einsum("ij,jk,ik->i", C, W, C)
    found = fit.ranef(se=True, form="long")
    found = found[found["group"] == "g"]
    assert found["estimate"].to_numpy() == pytest.approx(C @ e, rel=1e-5, abs=1e-7)
    errors = np.sqrt(np.maximum(variance, 0.0))
    assert found["std_error"].to_numpy() == pytest.approx(errors, rel=1e-5, abs=1e-5)
    effects = np.mean(np.diag(own.V(own.at))) - fit.scale
    fixed = np.var(data.x * fit.params["x"], ddof=1)
    whole = fixed + effects + fit.scale
    r2 = fit.r2()
    assert (r2.marginal, r2.conditional) == pytest.approx((fixed / whole, 1 - fit.scale / whole))
    assert fit.icc().adjusted == pytest.approx(effects / (effects + fit.scale))


@pytest.mark.parametrize(("kind", "model"), cases(LINEAR + MORE))
def test_draws_have_the_covariance(kind: str, model: str) -> None:
    fit, own, data = fitted(kind, model), oracle(kind, model), data_of(kind, model)
    n, rows = 20_000, np.flatnonzero(np.isin(data.g, [0, 3]))
    found = np.cov(np.asarray(fit.simulate(n, seed=4))[rows])
    V = own.V(own.at)[np.ix_(rows, rows)]
    spread = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / n)
    assert np.abs((found - V) / spread).max() < 5.0


@pytest.mark.parametrize(("kind", "model"), cases(LINEAR, SLOW | MANY))
def test_profiles_end_where_the_deviance_has_risen(kind: str, model: str) -> None:
    fit = fitted(kind, model)
    ml = fit if not fit.reml else fitted(kind, model.replace("REML", "ML"))
    own = oracle(kind, model.replace("REML", "ML"))
    limits = fit.profile("theta").conf_int()[["lower", "upper"]].to_numpy()
    shown = own.pieces[0].structure.natural(own.split(own.at)[0])
    for which in {0, len(shown.names) - 1}:
        for end in limits[which]:
            if not np.isfinite(end) or end in (-1.0, 0.0, 0.02, 1.0, 30.0):
                continue  # the end of the range, before the deviance has risen
            value = own.constrained(which, end**2 if shown.scales[which] else end)
            assert value + 2.0 * ml.llf == pytest.approx(RISE, abs=5e-3)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.IdentificationWarning")
@pytest.mark.parametrize(("kind", "model"), cases((*LINEAR, "poisson", "binomial")))
def test_refits_are_fits(kind: str, model: str) -> None:
    fit, data = fitted(kind, model), data_of(kind, model)
    if (kind, model) in ELSEWHERE:
        assert np.isfinite(fit.influence("g").params.to_numpy()).all()
        return
    draws = np.asarray(fit.simulate(2, seed=3))
    replicates = fit.bootstrap(2, seed=3).frame
    near = 1e-3 if model in FAMILIES else 1e-4
    for r in range(2):
        again = fit.refit(draws[:, r])
        assert replicates["beta"].iloc[r].to_numpy() == pytest.approx(
            again.params.to_numpy(), rel=near, abs=near
        )
    formula = fit.model.formula
    rest = data[data.g != 5].reset_index(drop=True)
    if model in FAMILIES:
        without = generalized_model(formula, rest, model).fit()
    else:
        options = {"residual": f"{kind}(t | g)"} if fit.takes_correlated else {}
        without = mixedlm2(formula, rest, **options).fit(reml=fit.reml)
    left = fit.influence("g").params
    assert left.loc[5].to_numpy() == pytest.approx(without.params.to_numpy(), rel=1e-3, abs=1e-3)
    assert np.isfinite(left.to_numpy()).all()


def test_refits_begin_where_a_range_has_an_effect() -> None:
    assert (
        fitted("exp", "binomial").covariance_structures["estimate"].iloc[1] < 0.1
    )  # of 1 at least
    test_refits_are_fits("exp", "binomial")


@pytest.mark.parametrize(("kind", "model"), cases((*LINEAR, *MORE, "poisson", "binomial")))
def test_what_is_kept_is_the_same(kind: str, model: str, tmp_path: Any) -> None:
    fit = fitted(kind, model)
    fit.to_dir(tmp_path / "fit")
    for again in (statsmodels_mixed.open(tmp_path / "fit"), pickle.loads(pickle.dumps(fit))):
        assert str(again.summary()) == str(fit.summary())
        assert np.array_equal(again.simulate(1, seed=1), fit.simulate(1, seed=1))
        if not fit.takes_correlated:
            rows = new_rows([2.0, 1.0, 2.0, 2.0])
            found, own = (
                each.predict(rows, re=True, new_levels="population") for each in (again, fit)
            )
            assert np.array_equal(found, own)


@pytest.mark.parametrize(("kind", "model"), cases(("REML", "ML")))
def test_a_term_left_out(kind: str, model: str) -> None:
    fit, data = fitted(kind, model), data_of(kind, model)
    found = fit.ranova()
    without = mixedlm2("y ~ x + (1 | h)", data).fit(reml=fit.reml)
    (row,) = [found.loc[label] for label in found.index if str(label).startswith(f"{kind}(")]
    assert row["llf"] == pytest.approx(without.llf, rel=1e-9)
    assert row["df_diff"] == len(phi_of(fit, "g"))


GENERALIZED = ("poisson", "binomial")


@cache
def laplace(kind: str, family: str) -> tuple[Model, Any]:
    data = table(kind)
    piece = Rows(kind, phi_of(fitted(kind, family), "g")).piece(data)
    pattern = np.tril(np.ones((4, 4), dtype=bool))
    terms = (Term(SUBJECTS, data.g.to_numpy(), piece.z, pattern),)
    y = data[FAMILIES[family]].to_numpy(float)
    trials = data.trials.to_numpy(float) if family == "binomial" else None
    return Model(terms, columns(data), y, FAMILY[family](), weights=trials), piece


def root(piece: Any, phi: np.ndarray) -> np.ndarray:
    S = np.asarray(piece.structure.sigma(phi))
    return np.linalg.cholesky(S + 1e-13 * np.trace(S) * np.eye(len(S)))


@pytest.mark.parametrize(("kind", "model"), cases(GENERALIZED))
def test_laplace_approximation(kind: str, model: str) -> None:
    fit, (own, piece) = fitted(kind, model), laplace(kind, model)
    m = len(piece.phi)

    def objective(par: np.ndarray) -> float:
        return own.objective(root(piece, par[:m]).T[np.triu_indices(4)], par[m:])

    par = np.concatenate([piece.phi, fit.params.to_numpy()])
    assert fit.converged
    assert -2.0 * fit.llf == pytest.approx(objective(par), rel=1e-8)
    if not at_edge(fit):
        slopes = differences(objective, par, 2e-3) * np.maximum(np.abs(par), 0.05)
        assert slopes == pytest.approx(np.zeros(len(par)), abs=1e-3)


@pytest.mark.parametrize(("kind", "model"), cases(GENERALIZED))
def test_generalized_predictions_are_kriged(kind: str, model: str) -> None:
    fit, (own, piece) = fitted(kind, model), laplace(kind, model)
    T = root(piece, piece.phi)
    beta = fit.params.to_numpy()
    modes = own.modes(T.T[np.triu_indices(4)], beta)[0].reshape(-1, 4) @ T.T
    found = fit.ranef(form="long")["estimate"].to_numpy()
    assert found == pytest.approx(modes.ravel(), rel=1e-4, abs=1e-4)
    if make(kind).needs == "columns" or kind in NO_NEW_PLACES:
        return
    places = np.arange(6.0)
    rows = new_rows([5.0, 4.0, 2.0, 5.0])
    new = Rows(kind, piece.phi).piece(rows, places)
    S = np.asarray(new.structure.sigma(piece.phi))
    known = np.vstack([modes[rows.g[:3]], np.zeros(4)])
    effects = np.einsum("ij,jk,ik->i", new.z, S[:, :4] @ np.linalg.pinv(S[:4, :4]), known)
    predicted = fit.predict(rows, which="linear", re=True, new_levels="population")
    wanted = columns(rows) @ beta + effects
    assert np.asarray(predicted) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("kind", "model"), cases(GENERALIZED, SLOW | MANY))
def test_the_rest_answers(kind: str, model: str) -> None:
    fit = fitted(kind, model)
    assert len(fit.profile("theta").conf_int()) == len(fit.estimates.structured.values)
    data = table(kind)
    y = data[FAMILIES[model]]
    if model == "binomial":
        y = np.column_stack([y, 1.0 - y]) * data.trials.to_numpy()[:, None]
    without = sm.GLM(y, columns(data), FAMILY[model]()).fit()
    assert fit.ranova()["llf"].iloc[1] == pytest.approx(without.llf, rel=1e-8)
    assert 0.0 <= fit.r2().marginal <= fit.r2().conditional < 1.0
    for each in (fit.tidy(), fit.augment(), fit.drop1()):
        assert len(each)
    assert np.isfinite(fit.simulated_residuals(20, seed=1).residuals).all()


def test_a_limit_where_the_estimate_has_no_correlation() -> None:
    """A range that the data do not tell from zero has a limit all the same, at the least rough."""
    fit, (own, piece) = fitted("mat", "binomial"), laplace("mat", "binomial")
    end = fit.profile("theta").conf_int().loc[("theta", "g.mat.range"), "upper"]

    def rise(q: np.ndarray, smoothness: float) -> float:
        T = root(piece, np.array([q[0], end, smoothness]))
        return own.objective(T.T[np.triu_indices(4)], q[1:]) + 2.0 * fit.llf

    start = np.r_[phi_of(fit, "g")[0], fit.params]
    least, more = (minimize(rise, start, args=(each,)).fun for each in (0.02, 0.03))
    assert least == pytest.approx(RISE, abs=2e-3) and more > least


def test_a_kind_joins_when_it_is_registered() -> None:
    assert {"us", "mat", "rr", "halves"} <= set(KINDS)
