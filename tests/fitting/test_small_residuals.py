"""Residual variances that are a tiny share of the variance of the response, by closed forms."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from fuzz.generalized_models import draw
from numpy.testing import assert_allclose

from statsmodels_mixed import ConvergenceWarning, DataError, SingularFitWarning
from statsmodels_mixed.standard_errors import kenward_roger_spherical

SHARES = (1e-2, 1e-5, 1e-7, 1e-9)

pytestmark = pytest.mark.filterwarnings("error")


def fit(formula, data, reml=True, **options):
    result = smf.mixedlm2(formula, pd.DataFrame(data), **options).fit(reml=reml)
    assert result.converged
    return result


def sd(result, name):
    return result.varcorr.std_dev(name).iloc[0]


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("share", (*SHARES, 1e-10))
def test_one_way(share, reml):
    r = np.random.default_rng(5)
    J, k = 10, 4
    g = np.repeat(np.arange(J), k)
    y = 100 + r.normal(size=J)[g] + share * r.normal(size=J * k)
    Y = y.reshape(J, k)
    within = np.sum((Y - Y.mean(axis=1, keepdims=True)) ** 2) / (J * (k - 1))
    between = k * np.sum((Y.mean(axis=1) - Y.mean()) ** 2) / (J - reml)
    m = fit("y ~ 1 + (1 | g)", {"y": y, "g": g}, reml)
    assert m.sigma == pytest.approx(np.sqrt(within), rel=1e-6)
    assert sd(m, "g") == pytest.approx(np.sqrt((between - within) / k), rel=1e-6)
    assert m.bse.iloc[0] == pytest.approx(np.sqrt(between / (J * k)), rel=1e-6)


@pytest.mark.parametrize("share", SHARES)
def test_weights_over_twelve_orders(share):
    """Two rows a level, whose weights are w and 1 - w: within and between by hand."""
    r = np.random.default_rng(6)
    J = 14
    g = np.repeat(np.arange(J), 2)
    w = np.column_stack([w := 10.0 ** r.uniform(-12, -0.1, J), 1 - w])
    u, noise = r.normal(size=J), r.normal(size=J)
    # the weighted mean of a level is its u, the weighted square around it noise^2
    ratio = np.sqrt(w[:, ::-1] / w)
    Y = u[:, None] + share * noise[:, None] * ratio * [1, -1]
    m = fit("y ~ 1 + (1 | g)", {"y": Y.ravel(), "g": g, "w": w.ravel()}, weights="w")
    square = np.sum(w * (Y - np.sum(w * Y, axis=1, keepdims=True)) ** 2) / J
    means = np.sum(w * Y, axis=1)
    assert m.sigma == pytest.approx(np.sqrt(square), rel=1e-6)
    assert sd(m, "g") == pytest.approx(np.sqrt(means.var(ddof=1) - square), rel=1e-6)


@pytest.mark.parametrize("share", SHARES)
def test_crossed(share):
    """Balanced and complete: analysis of variance."""
    r = np.random.default_rng(5)
    I, K = 9, 7  # noqa: E741
    a, b = np.repeat(np.arange(I), K), np.tile(np.arange(K), I)
    y = 10 + r.normal(size=I)[a] + 0.7 * r.normal(size=K)[b] + share * r.normal(size=I * K)
    Y = y.reshape(I, K)
    rest = Y - Y.mean(axis=1, keepdims=True)
    rest = rest - rest.mean(axis=0, keepdims=True)
    error = np.sum(rest**2) / ((I - 1) * (K - 1))
    rows, columns = K * Y.mean(axis=1).var(ddof=1), I * Y.mean(axis=0).var(ddof=1)
    m = fit("y ~ 1 + (1 | a) + (1 | b)", {"y": y, "a": a, "b": b})
    got = [m.sigma, sd(m, "a"), sd(m, "b"), m.bse.iloc[0]]
    wanted = [error, (rows - error) / K, (columns - error) / I, (rows + columns - error) / (I * K)]
    np.testing.assert_allclose(got, np.sqrt(wanted), rtol=1e-6)


@pytest.mark.parametrize("share", SHARES)
def test_random_slopes(share):
    """The same x in every group: least squares by group, and the covariance of its coefficients."""
    r = np.random.default_rng(7)
    J, n = 12, 6
    g, x = np.repeat(np.arange(J), n), np.tile(np.arange(n) - 1.0, J)
    B = r.normal(size=(J, 2)) @ [[1, 0.5], [0, 0.8]]
    y = 3 + x + B[g, 0] + B[g, 1] * x + share * r.normal(size=J * n)
    Z, Y = np.column_stack([np.ones(n), x[:n]]), y.reshape(J, n).T
    C = np.linalg.lstsq(Z, Y, rcond=None)[0]
    C += np.linalg.lstsq(Z, rest := Y - Z @ C, rcond=None)[0]
    rest = rest - Z @ np.linalg.lstsq(Z, rest, rcond=None)[0]
    variance = np.sum(rest**2) / (J * (n - 2))
    m = fit("y ~ x + (x | g)", {"y": y, "x": x, "g": g})
    assert m.sigma == pytest.approx(np.sqrt(variance), rel=1e-6)
    S = np.cov(C)
    T = m.estimates.factors[0] * m.sigma
    np.testing.assert_allclose(T @ T.T, S - variance * np.linalg.inv(Z.T @ Z), rtol=1e-6)
    np.testing.assert_allclose(m.bse, np.sqrt(np.diag(S) / J), rtol=1e-6)


def territories(share):
    """A value of a territory on both of its rows, with a little noise."""
    r = np.random.default_rng(5)
    site, ter = np.repeat(np.arange(8), 6), np.arange(48) // 2
    d = pd.DataFrame({"site": site, "ter": ter, "spm": r.normal(size=24)[ter]})
    y = r.normal(size=8)[site] + 0.3 * d.spm + r.normal(size=24)[ter]
    return d.assign(y=y + share * r.normal(size=48))


@pytest.mark.parametrize("share", SHARES)
def test_nested_with_a_covariate_of_the_inner_level(share):
    """The exact split into differences within territories and a model of their means."""
    d = territories(share)
    means = d.groupby("ter")[["y", "spm", "site"]].mean()
    error = np.sum((d.y - means.y.to_numpy()[d.ter]) ** 2) / 24
    inner = fit("y ~ spm + (1 | site)", means)
    m = fit("y ~ spm + (1 | site / ter)", d)
    assert m.sigma == pytest.approx(np.sqrt(error), rel=1e-6)
    # the model of the means is an ordinary fit, right to the tolerance of the optimizer
    between = np.sqrt(inner.sigma**2 - error / 2)
    assert sd(m, "site & ter") == pytest.approx(between, rel=2e-6)
    assert sd(m, "site") == pytest.approx(sd(inner, "site"), rel=2e-6)
    np.testing.assert_allclose(m.params, inner.params, rtol=1e-6)
    np.testing.assert_allclose(m.bse, inner.bse, rtol=1e-6)


def lines(share):
    """A factor f of three levels beside lines in x by g, J of k rows; columns of f and of lines."""
    r = np.random.default_rng(8)
    J, k = 10, 6
    g, x, f = np.repeat(np.arange(J), k), r.normal(size=J * k), r.integers(0, 3, J * k)
    y = (
        r.normal(size=J)[g]
        + r.normal(size=J)[g] * x
        + 0.5 * (f == 1)
        + share * r.normal(size=J * k)
    )
    by_g = np.eye(J)[g]
    columns = np.column_stack([f == 1, f == 2]), np.column_stack([by_g, by_g * x[:, None]])
    return {"y": y, "x": x, "f": f, "g": g}, *(each.astype(float) for each in columns)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("share", [1e-4, 1e-6, 1e-8])
def test_what_random_effects_leave_certain(share, reml):
    """Without residuals random effects are fixed ones: effects of f are those beside lines by g.

    Then the intercept and the slope in x are 1 / share as uncertain as f.
    """
    data, F, Z = lines(share)
    y, n = data["y"], len(F)
    m = fit("y ~ C(f) + x + (x | g)", data, reml)
    Q, R = np.linalg.qr(np.hstack([F, Z]))
    df = n - R.shape[1] if reml else n - Z.shape[1]
    sigma = np.linalg.norm(y - Q @ (Q.T @ y)) / np.sqrt(df)
    half = sigma * np.linalg.inv(R)[:2]
    names = ["C(f)[T.1]", "C(f)[T.2]"]
    tests = m.with_inference(dof="satterthwaite")
    covariance = half @ half.T
    assert_allclose(m.bse[names], np.sqrt(np.diag(covariance)), rtol=1e-6)
    assert_allclose(m.cov_params().loc[names, names], covariance, rtol=1e-6)
    difference = m.t_test("C(f)[T.1] - C(f)[T.2] = 0").sd.item()
    assert_allclose(difference, np.linalg.norm(half[0] - half[1]), rtol=1e-6)
    assert_allclose(tests.df_coef[names], df, rtol=1e-6)
    assert_allclose(tests.anova(typ=3)["df_denom"]["C(f)"], df, rtol=1e-6)


@pytest.mark.parametrize("share", [1e-4, 1e-5])
def test_clusters_of_what_random_effects_leave_certain(share):
    """The same by clusters: CR0 by hand, CR3 by leaving clusters out, CR2 without bias.

    Random effects are fixed ones up to terms of the order of `share`.
    """
    data, F, Z = lines(share)
    m = fit("y ~ C(f) + x + (x | g)", data)
    Q = np.linalg.qr(Z)[0]
    F, y = F - Q @ (Q.T @ F), data["y"] - Q @ (Q.T @ data["y"])
    M = np.linalg.inv(F.T @ F)
    beta = M @ F.T @ y
    robust, changes, names = np.zeros((2, 2)), [], ["C(f)[T.1]", "C(f)[T.2]"]
    for g in range(data["g"].max() + 1):
        own = data["g"] == g
        score = M @ F[own].T @ (y - F @ beta)[own]
        robust += np.outer(score, score)
        changes.append(np.linalg.lstsq(F[~own], y[~own])[0] - beta)
    for kind, expected in (("CR0", robust), ("CR3", np.transpose(changes) @ changes)):
        tests = m.with_inference(cov_type="cluster", cov_kwds={"groups": "g", "kind": kind})
        assert_allclose(tests.cov_params().loc[names, names], expected, rtol=share)
    how = {"groups": "g", "kind": "CR2"}
    tests = m.with_inference(cov_type="cluster", cov_kwds=how, dof="satterthwaite")._tests
    cross = tests.cross.transpose(0, 2, 1) @ tests.bread @ tests.cross
    expected = np.sum(tests.within - cross, axis=0)
    assert_allclose(expected, np.linalg.inv(tests.bread), atol=1e-5)


def test_likelihood_that_nlme_reports():
    """nlme 3.1, lme(y ~ spm, random = ~ 1 | site/ter, method = "ML"): -2 log-likelihood.

    The variance of sites is zero, as it is in the model of the means of territories.
    """
    with pytest.warns(SingularFitWarning):
        m = fit("y ~ spm + (1 | site / ter)", territories(1e-7), reml=False)
    assert sd(m, "site") == 0
    assert m.objective == pytest.approx(-639.142680967, abs=1e-6)


def test_what_follows_a_fit():
    """Degrees of freedom and intervals have limits; what has no digits left says so."""
    ordinary, tiny = (fit("y ~ spm + (1 | site / ter)", territories(s)) for s in (1e-4, 1e-7))
    df = [np.asarray(m.with_inference(dof="satterthwaite").df_coef) for m in (ordinary, tiny)]
    np.testing.assert_allclose(df[1], df[0], rtol=1e-3)
    np.testing.assert_allclose(tiny.bse, ordinary.bse, rtol=1e-3)
    errors = np.asarray(tiny.get_prediction(re=True).se_mean)  # of the mean of two rows
    np.testing.assert_allclose(errors, tiny.sigma / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(tiny.leverage(), 0.5, rtol=1e-6)
    adjusted = [m.with_inference(dof="kenward-roger") for m in (ordinary, tiny)]
    np.testing.assert_allclose(adjusted[1].bse, adjusted[0].bse, rtol=1e-3)
    np.testing.assert_allclose(adjusted[1].df_coef, adjusted[0].df_coef, rtol=1e-3)
    clusters = {"cov_type": "cluster", "cov_kwds": {"groups": "site"}}
    assert np.isfinite(ordinary.with_inference(**clusters).bse).all()
    with pytest.raises(DataError, match="cannot be computed in double precision here"):
        tiny.with_inference(**clusters)
    tinier = fit("y ~ spm + (1 | site / ter)", territories(1e-9))
    for ask in (tinier.leverage, lambda: tinier.get_prediction(re=True).se_mean):
        with pytest.raises(DataError, match="cannot be computed in double precision here"):
            ask()


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("share", [1e-4, 1e-6])
def test_errors_of_rows_of_crossed_factors(share, weights):
    """Against an orthogonal factorization of the mixed-model equations.

    Sums of covariances of levels were off by .01 at 1e-6: those of two factors differ by a
    constant whose variance is 1e12 times that of a mean.
    """
    r = np.random.default_rng(3)
    n, levels = 40, (6, 5)
    a, b = (r.permutation(np.arange(n) % k) for k in levels)
    x, w = r.normal(size=n), 10.0 ** r.uniform(-2, 2, n)
    y = 2 + x + r.normal(size=6)[a] + r.normal(size=6)[a] * x + r.normal(size=5)[b]
    y = y + share * r.normal(size=n)
    m = fit("y ~ x + (x | a) + (1 | b)", {"y": y, "x": x, "a": a, "b": b, "w": w}, weights=weights)
    S, (T,) = m.estimates.factors

    def rows(a, b, x):
        """Columns of beta and of u."""
        effects = np.zeros((len(x), 6, 2))
        effects[np.arange(len(x)), a] = np.column_stack([np.ones(len(x)), x]) @ S
        other = np.eye(5)[b] * T[0]
        return np.column_stack([np.ones(len(x)), x, effects.reshape(len(x), -1), other])

    w = np.ones(n) if weights is None else w
    penalty = np.eye(2 + 12 + 5)[2:]
    R = np.linalg.qr(np.vstack([np.sqrt(w)[:, None] * rows(a, b, x), penalty]), mode="r")

    def errors(rows):
        return np.linalg.norm(np.linalg.solve(R.T, rows.T), axis=0)

    own = errors(rows(a, b, x))
    np.testing.assert_allclose(m.get_prediction(re=True).se_mean, m.sigma * own, rtol=1e-7)
    np.testing.assert_allclose(m.leverage(), w * own**2, rtol=1e-7)
    # Levels that do not meet in the data, and one that the fit has not seen.
    new = {"a": np.repeat(np.arange(7), 5), "b": np.tile(np.arange(5), 7), "x": np.ones(35)}
    found = m.get_prediction(pd.DataFrame(new), re=True, new_levels="population").se_mean
    known = rows(new["a"] % 6, new["b"], new["x"])
    known[30:, 2:14] = 0.0
    unseen = np.where(new["a"] == 6, np.sum((np.ones(2) @ S) ** 2), 0.0)
    expected = m.sigma * np.sqrt(errors(known) ** 2 + unseen)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_small_sample_errors_of_crossed_factors(monkeypatch):
    """Rows in another order give the same: .47 of df were lost at 1e-4.

    Where there are too many for a factorization the tests are refused.
    """
    r = np.random.default_rng(1)
    g, h, x = r.integers(0, 7, 60), r.integers(0, 6, 60), r.normal(size=60)
    w, order = r.normal(size=60), r.permutation(60)
    y = 1 + x + r.normal(size=7)[g] + r.normal(size=7)[g] * x + r.normal(size=6)[h]

    def tested(share, rows):
        d = pd.DataFrame({"y": y + share * w, "x": x, "g": g, "h": h}).iloc[rows]
        m = fit("y ~ x + (x | g) + (1 | h)", d).with_inference(dof="kenward-roger")
        return np.concatenate([m.bse, m.df_coef])

    everywhere = np.arange(60)
    for share in (1e-2, 1e-4, 1e-6):
        np.testing.assert_allclose(tested(share, order), tested(share, everywhere), rtol=1e-6)
    monkeypatch.setattr(kenward_roger_spherical, "MOST_WORK", 0.0)
    np.testing.assert_allclose(tested(1e-2, order), tested(1e-2, everywhere), rtol=1e-3)
    with pytest.raises(DataError, match="cannot be computed in double precision here"):
        tested(1e-4, everywhere)


def test_small_sample_errors_of_related_levels():
    """Levels related to themselves alone are independent; .12 of 9 df were lost at 1e-5."""
    r = np.random.default_rng(2)
    labels, g, h = list("abcdefghij"), np.arange(60) % 10, np.arange(60) // 10
    x, w = r.normal(size=60), r.normal(size=60)
    y = 1 + x + r.normal(size=10)[g] + r.normal(size=10)[g] * x + r.normal(size=6)[h]
    alone = {"relationship": {"g": pd.DataFrame(np.eye(10), labels, labels)}}

    def tested(share, **options):
        data = {"y": y + share * w, "x": x, "g": np.array(labels)[g], "h": h}
        m = fit("y ~ x + (x | g) + (1 | h)", data, **options)
        m = m.with_inference(dof="kenward-roger")
        return np.concatenate([m.bse, m.df_coef])

    for share, off in ((1e-3, 1e-5), (1e-4, 1e-3)):
        np.testing.assert_allclose(tested(share, **alone), tested(share), rtol=off)
    with pytest.raises(DataError, match="degrees of freedom cannot be computed in double"):
        tested(1e-5, **alone)


def test_a_search_ends_where_the_dispersion_has_vanished():
    # 45 rows and nearly as many effects: the likelihood rises for ever as phi tends to 0. The
    # search went on to phi = 1e-15, where each evaluation takes hundreds of steps, for minutes.
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = draw(1646).fit(max_eval=1000)
    assert any(issubclass(each.category, ConvergenceWarning) for each in said)
    assert "dispersion" in result.report.message and "nearly zero" in result.report.message
    assert result.report.evaluations < 500
    design, mu = result.model.design, result.estimates.fitted
    left = result.estimates.dispersion * np.mean(mu**3 / design.weights)
    assert left < (3e-6) ** 2 * np.var(design.y)


def test_an_end_without_dispersion_is_evaluated_again():
    # 9 rows, 5 coefficients and 5 effects: of phi = 1.4e-13 two evaluations differed by 2e-3.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = draw(204533)
        fit = case.fit()
    est = fit.estimates
    assert not fit.converged
    again = case.model().objective(est.theta, est.beta, est.dispersion)
    np.testing.assert_allclose(again, fit.objective, atol=1e-6)


def test_means_whose_cubes_are_beyond_the_range_are_no_warning():
    # An inverse Gaussian log-linear model, whose coefficients of 170 are all but unbounded.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        fit = draw(202358).fit()
    assert fit.estimates.fitted.max() > 1e103
