"""Effects at places that differ by level, against dense matrices and the form with all places."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from structured_checks import difference

import statsmodels_mixed
from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.fitting.structured.linear import objective_of
from statsmodels_mixed.fitting.structured.own_places import with_all_places
from statsmodels_mixed.frame import own_places


def own_times(subjects: int = 14, most: int = 5, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for g in range(subjects):
        k = int(rng.integers(2, most + 1)) if g else 1
        time = rng.uniform(0, 10, k).round(4)
        apart = np.abs(np.subtract.outer(time, time))
        serial = rng.multivariate_normal(np.zeros(k), 2.2 * np.exp(-apart / 2.0))
        rows += [(f"s{g}", t, e) for t, e in zip(time, serial, strict=True)]
    data = pd.DataFrame(rows, columns=["g", "t", "e"])
    data["x"], data["h"] = rng.normal(size=len(data)), rng.integers(0, 6, len(data))
    data["place"] = rng.uniform(0, 3, len(data))
    data["w"] = rng.uniform(0.5, 2.0, len(data))
    data["even"] = np.arange(len(data)) % 3
    data["step"] = rng.permutation(len(data) * 2)[: len(data)]
    data["y"] = 1.0 + 0.5 * data.x + data.e + 0.5 * rng.normal(size=len(data))
    return data.sample(frac=1.0, random_state=1).reset_index(drop=True)


FORMULAS = [
    "y ~ x + ou(0 + t | g)",
    "y ~ x + exp(0 + t | g) + (1 | h)",
    "y ~ x + (1 + x | g) + gau(0 + t | g)",
    "y ~ x + exp(0 + t + place | g) + ar1(0 + even | h)",
    "y ~ x + spher(0 + t | g, nugget=True)",
    "y ~ x + ar1(0 + step | g)",
    "y ~ x + arma(0 + step | g, p=1, q=1)",
    "y ~ x + mat(0 + t | g)",
]


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", FORMULAS)
def test_objective_gradient_and_curvature_are_those_of_all_places(formula, reml):
    model = mixedlm2(formula, own_times(), weights="w")
    design = model.kept_design()
    assert any(block.own_places for block in design.blocks)
    own = _objective(design, reml)
    whole = _objective(with_all_places(design), reml)
    z = own.join(own.model.x(own.model.starts([np.ones(9)] * 2)[0]), 0.8) + 0.05
    value, gradient, curvature = own(z)
    others = whole(z)
    assert value == pytest.approx(others[0], rel=1e-10)
    assert gradient == pytest.approx(others[1], rel=1e-7, abs=1e-7)
    assert curvature == pytest.approx(others[2], rel=1e-7, abs=1e-7)
    assert gradient == pytest.approx(difference(own.value, z), rel=1e-6, abs=1e-6)


def _objective(design, reml):
    return objective_of(design, SimpleNamespace(reml=reml, fixed_sigma=None))


@pytest.fixture(scope="module")
def serial():
    data = own_times(16, 6, seed=5)
    return data, mixedlm2("y ~ x + ou(0 + t | g)", data).fit(reml=True)


def dense(data, fit, new):
    """Return means and variances of new effects and of the mean, by matrices of all rows."""
    sd, rate = fit.covariance_structures["estimate"]

    def between(a, b):
        apart = np.abs(np.subtract.outer(a.t.to_numpy(), b.t.to_numpy()))
        same = a.g.to_numpy()[:, None] == b.g.to_numpy()
        return sd**2 * np.exp(-rate * apart) * same

    X, Xn = (np.column_stack([np.ones(len(d)), d.x]) for d in (data, new))
    V = between(data, data) + fit.scale * np.eye(len(data))
    solved = np.linalg.solve(V, np.column_stack([X, between(data, new)]))
    M = np.linalg.inv(X.T @ solved[:, :2])
    beta = M @ solved[:, :2].T @ data.y.to_numpy()
    c = between(data, new)
    A = Xn - c.T @ solved[:, :2]
    mean = Xn @ beta + solved[:, 2:].T @ (data.y.to_numpy() - X @ beta)
    variance = sd**2 - np.einsum("ij,ij->j", c, solved[:, 2:])
    return mean, variance + np.einsum("ij,jk,ik->i", A, M, A), V, X


def test_likelihood_and_coefficients_are_those_of_dense_matrices(serial):
    data, fit = serial
    _, _, V, X = dense(data, fit, data)
    M = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    beta = M @ X.T @ np.linalg.solve(V, data.y)
    e = data.y - X @ beta
    total = np.linalg.slogdet(V)[1] - np.linalg.slogdet(M)[1] + e @ np.linalg.solve(V, e)
    total += (len(e) - 2) * np.log(2 * np.pi)
    assert fit.llf == pytest.approx(-total / 2, rel=1e-10)
    assert np.asarray(fit.bse) == pytest.approx(np.sqrt(np.diag(M)), rel=1e-7)


def test_predictions_at_own_other_and_new_places_are_kriged(serial):
    data, fit = serial
    known = data[data.g == "s3"].t.iloc[0]
    new = pd.DataFrame(
        {"g": ["s3", "s3", "s0", "s9", "new"], "t": [known, 2.5, 3.3, 40.0, 1.0], "x": 0.3}
    )
    mean, variance, *_ = dense(data, fit, new)
    found = fit.get_prediction(new, re=True, new_levels="population").summary_frame()
    assert np.asarray(found["mean"]) == pytest.approx(mean, rel=1e-8)
    assert np.asarray(found["mean_se"]) == pytest.approx(np.sqrt(variance), rel=1e-7)
    bare = copy.deepcopy(fit)
    bare.remove_data()
    again = bare.predict(new, re=True, new_levels="population")
    assert np.asarray(again) == pytest.approx(mean, rel=1e-8)


def test_modes_are_those_of_own_places(serial):
    data, fit = serial
    effects = fit.ranef(form="long")
    assert len(effects) == len(data)
    one = effects[effects.level == "s3"]
    rows = data[data.g == "s3"].sort_values("t")
    assert list(one["term"]) == [f"t[{t:g}]" for t in rows.t]
    mean, _, V, _ = dense(data, fit, rows)
    assert np.asarray(one["estimate"]) == pytest.approx(
        mean - np.column_stack([np.ones(len(rows)), rows.x]) @ np.asarray(fit.params), rel=1e-7
    )
    C = V[np.ix_(rows.index, rows.index)] - fit.scale * np.eye(len(rows))
    own = C - C @ np.linalg.solve(V[np.ix_(rows.index, rows.index)], C)
    assert np.asarray(one["std_error"]) == pytest.approx(np.sqrt(np.diag(own)), rel=1e-6)
    assert np.isnan(fit.ranef()["g"].loc["s0"].to_numpy()[1:]).all()


def test_draws_for_new_levels_have_the_covariances_of_their_places(serial):
    _, fit = serial
    new = pd.DataFrame({"g": ["a", "b", "a", "a"], "t": [1.0, 1.0, 3.0, 1.2], "x": 0.0})
    drawn = np.asarray(fit.simulate(20000, seed=1, exog=new)).reshape(4, -1)
    sd, rate = fit.covariance_structures["estimate"]
    same = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [1, 0, 1, 1], [1, 0, 1, 1]])
    wanted = (
        sd**2 * np.exp(-rate * np.abs(np.subtract.outer(new.t.to_numpy(), new.t.to_numpy()))) * same
    )
    wanted = wanted + fit.scale * np.eye(4)
    assert np.cov(drawn) == pytest.approx(wanted, abs=0.05 * wanted[0, 0])
    known = pd.DataFrame({"g": ["s3"], "t": [2.5], "x": [0.0]})
    with pytest.raises(DataError, match="other places"):
        fit.simulate(2, seed=1, exog=known, re="conditional")


def test_influence_and_cases_refit_the_levels_with_their_own_places(serial):
    data, fit = serial
    without = mixedlm2("y ~ x + ou(0 + t | g)", data[data.g != "s4"]).fit(reml=True)
    shift = np.asarray(fit.influence("g").dfbeta().loc["s4"])[:2]
    assert np.abs(shift) == pytest.approx(np.abs(fit.params - without.params), abs=2e-5)
    whole = mixedlm2("y ~ x + ou(0 + t | g)", data)
    whole.design = with_all_places(whole.design)
    others = whole.fit(reml=True).bootstrap(2, seed=2, kind="cases").frame["beta"]
    drawn = fit.bootstrap(2, seed=2, kind="cases").frame["beta"]
    assert drawn.to_numpy() == pytest.approx(others.to_numpy(), abs=1e-4)


def test_satterthwaite_is_that_of_the_same_covariance_of_residuals(serial):
    data, _ = serial
    own = mixedlm2("y ~ x + ou(0 + t | g)", data).fit(reml=True, dof="satterthwaite")
    residual = mixedlm2("y ~ x", data, residual="ou(t | g, nugget=True)")
    theirs = residual.fit(reml=True, dof="satterthwaite")
    df = [fit.t_test(np.eye(2)).df_denom for fit in (own, theirs)]
    assert np.asarray(df[0]) == pytest.approx(np.asarray(df[1]), rel=1e-4)


def test_kenward_roger_is_that_of_all_places(monkeypatch):
    monkeypatch.setattr(own_places, "ALL", 5)
    data = own_times(10, 4, seed=4)
    model = mixedlm2("y ~ x + ou(0 + t | g)", data)
    assert model.kept_design().blocks[0].own_places
    whole = mixedlm2("y ~ x + ou(0 + t | g)", data)
    whole.design = with_all_places(whole.design)
    ours, theirs = (each.fit(reml=True, dof="kenward-roger") for each in (model, whole))
    assert np.asarray(ours.pvalues) == pytest.approx(np.asarray(theirs.pvalues), rel=1e-4)
    assert np.asarray(ours.bse) == pytest.approx(np.asarray(theirs.bse), rel=1e-5)


def test_a_saved_fit_predicts_as_before(serial, tmp_path):
    _, fit = serial
    fit.to_dir(tmp_path / "fit")
    new = pd.DataFrame({"g": ["s3", "new"], "t": [2.5, 1.0], "x": 0.3})
    again = statsmodels_mixed.open(tmp_path / "fit")
    options = {"re": True, "new_levels": "population"}
    assert np.array_equal(again.predict(new, **options), fit.predict(new, **options))


def test_what_theta_does_not_say_is_said(serial):
    _, fit = serial
    with pytest.raises(OptionError, match="places that differ by level"):
        fit.model.objective(fit.theta)


def test_many_subjects_with_own_times_are_fitted():
    data = own_times(400, 7, seed=2)
    assert data.t.nunique() > 1000
    fit = mixedlm2("y ~ x + ou(0 + t | g)", data).fit()
    assert fit.converged
    sd, rate = fit.covariance_structures["estimate"]
    assert (sd, rate) == pytest.approx((1.48, 0.5), rel=0.25)
