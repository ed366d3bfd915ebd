"""Ordered categories whose thresholds have effects of their own (partial proportional odds)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed.errors import DataError, OptionError

# clmm2(rating ~ temp, nominal = ~contact, random = judge, nAGQ = 10) of the R package ordinal
# 2022.11.16; the log-likelihood of the same with proportional odds, by clmm.
LOGLIK, PROPORTIONAL = -81.2832008676129, -81.5324607116916
THRESHOLDS = [-1.61945638278955, 1.5197384853994, 4.35654578052704, 5.75158483401392]
EFFECTS = [-1.83182119779722, -1.83107929583511, -2.04198500498915, -1.35775010169208]
WARM, SD = 3.07642447642114, 1.13053370443483
FORMULA = "rating ~ temp + (1 | judge)"


@pytest.fixture(scope="module")
def fit(wine):
    return smm.mixedordinal2(FORMULA, wine, nominal="~ contact").fit(n_agq=10)


def test_ratings_of_wine(fit):
    assert fit.converged
    assert fit.llf == pytest.approx(LOGLIK, abs=1e-7)
    assert_allclose(fit.params.iloc[:4], THRESHOLDS, atol=1e-4)
    assert_allclose(fit.params.iloc[4:8], EFFECTS, atol=1e-4)
    assert_allclose(fit.params.iloc[8], WARM, atol=1e-4)
    assert_allclose(fit.theta[0], SD, atol=1e-4)
    assert list(fit.params.index[[0, 4, 8]]) == [
        "1|2",
        "nominal: 1|2 contact[T.yes]",
        "temp[T.warm]",
    ]
    assert "Effects on thresholds" in str(fit.summary())


@pytest.mark.parametrize("threshold", ["flexible", "symmetric", "equidistant"])
def test_likelihood_and_its_maximum(wine, threshold):
    rng = np.random.default_rng(2)
    data = wine.assign(x=60.0 + 20.0 * rng.normal(size=len(wine)))
    fit = smm.mixedordinal2(
        "rating ~ contact + (1 | judge)", data, threshold=threshold, nominal="~ x"
    ).fit(n_agq=40)
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    J = {
        "flexible": np.eye(4),
        "equidistant": np.column_stack([np.ones(4), np.arange(4)]),
        "symmetric": np.array([[1, 0, -1], [1, 0, 0], [0, 1, 0], [0, 1, 1.0]]),
    }[threshold]
    K = J.shape[1]
    y, x = data["rating"].to_numpy() - 1, data["x"].to_numpy()

    def loglik(b, sd):
        cuts = J @ b[:K] + np.outer(x, J @ b[K : 2 * K])
        eta = b[2 * K] * (data["contact"] == "yes").to_numpy()
        below = cuts[:, :, None] - eta[:, None, None] - sd * nodes
        F = np.pad(1.0 / (1.0 + np.exp(-below)), ((0, 0), (1, 1), (0, 0)))
        F[:, -1] = 1.0
        log_p = np.log(np.diff(F, axis=1)[np.arange(len(y)), y])
        by_judge = np.array([log_p[(data["judge"] == j).to_numpy()].sum(0) for j in range(1, 10)])
        return np.log(np.exp(by_judge) @ weights / np.sqrt(2 * np.pi)).sum()

    b, sd = np.asarray(fit.params), float(fit.theta[0])
    best = loglik(b, sd)
    assert fit.llf == pytest.approx(best, abs=1e-7)
    for j, error in enumerate(fit.bse):
        step = np.zeros(len(b))
        step[j] = 1e-3 * error
        slope = (loglik(b + step, sd) - loglik(b - step, sd)) / 2e-3
        assert abs(slope) < 1e-4


def test_probabilities(fit, wine):
    new = wine.iloc[[5, 3, 0]].assign(contact=["yes", "no", None])
    p = fit.predict(new)
    b = fit.params
    for row, contact in ((5, 1.0), (3, 0.0)):
        cuts = np.asarray(b.iloc[:4]) + contact * np.asarray(b.iloc[4:8])
        eta = b.iloc[8] * (wine["temp"][row] == "warm")
        below = np.r_[0.0, 1.0 / (1.0 + np.exp(eta - cuts)), 1.0]
        assert_allclose(p.loc[row], np.diff(below), rtol=1e-12)
    assert p.loc[0].isna().all()
    assert_allclose(fit.predict(wine), fit.predict(), rtol=1e-13)
    table = fit.get_prediction(wine.iloc[[5]]).summary_frame()
    step, at = 1e-5, []
    # the delta method for P(rating = 1), by the parameters that it depends on
    for name in ("1|2", "nominal: 1|2 contact[T.yes]", "temp[T.warm]"):
        x = {"1|2": 1.0, "temp[T.warm]": -float(wine["temp"][5] == "warm")}.get(
            name, float(wine["contact"][5] == "yes")
        )
        a = b.iloc[0] + b.iloc[4] * (wine["contact"][5] == "yes")
        a -= b.iloc[8] * (wine["temp"][5] == "warm")
        F = [1.0 / (1.0 + np.exp(-(a + sign * step))) for sign in (1, -1)]
        at.append(x * (F[0] - F[1]) / (2 * step))
    names = ["1|2", "nominal: 1|2 contact[T.yes]", "temp[T.warm]"]
    C = fit.cov_params().loc[names, names].to_numpy()
    assert_allclose(table[1]["mean_se"].iloc[0], np.sqrt(at @ C @ at), rtol=1e-5)


def test_comparisons(fit, wine):
    smaller = smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", wine).fit(n_agq=10)
    test = fit.compare_lr_test(smaller)
    assert test.statistic == pytest.approx(2 * (LOGLIK - PROPORTIONAL), abs=1e-5)
    assert test.df_diff == 3
    none = smm.mixedordinal2(FORMULA, wine).fit(n_agq=10)
    row = fit.drop1().loc["nominal: contact"]
    assert row["llf"] == pytest.approx(none.llf, abs=1e-6)
    assert row["df_diff"] == 4


def test_draws_and_refits(fit, wine):
    assert fit.simulate(2, seed=1).shape == (72, 2)
    strong = wine.assign(contact=["no", "yes"] * 36)
    drawn = fit.simulate(4000, exog=strong.head(2), seed=3, re="conditional")
    share = np.mean(drawn == 2, axis=1)
    assert_allclose(share, fit.predict(strong.head(2), re=True)[2], atol=0.04)
    again = fit.refit(wine["rating"])
    assert_allclose(again.params, fit.params, atol=1e-5)
    assert fit.bootstrap(4, seed=1).conf_int().shape[0] >= len(fit.params)


def test_rows_without_the_column_are_left_out(wine):
    gap = wine.assign(contact=wine["contact"].where(wine.index > 3))
    part = smm.mixedordinal2(FORMULA, gap, nominal="~ contact").fit()
    same = smm.mixedordinal2(FORMULA, wine.iloc[4:], nominal="~ contact").fit()
    assert part.nobs == 68
    assert part.llf == same.llf


def test_what_is_not_possible(fit, wine):
    with pytest.raises(OptionError, match=r"contact.* all thresholds share"):
        smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", wine, nominal="~ contact")
    with pytest.raises(OptionError, match="fixed effects only"):
        smm.mixedordinal2(FORMULA, wine, nominal="~ contact + (1 | judge)")
    with pytest.raises(OptionError, match='formula such as "~ x"'):
        smm.mixedordinal2(FORMULA, wine, nominal="contact")
    with pytest.raises(OptionError, match=r"needs .*effect"):
        smm.mixedordinal2(FORMULA, wine, nominal="~ 1")
    with pytest.raises(DataError, match="touched"):
        smm.mixedordinal2(FORMULA, wine, nominal="~ touched")
    with pytest.raises(OptionError, match="nominal= is not identified"):
        twice = wine.assign(touch=(wine["contact"] == "yes") + 0.0)
        smm.mixedordinal2(FORMULA, twice, nominal="~ contact + touch")
    with pytest.raises(OptionError, match="nominal="):
        fit.r2()


def test_slopes_of_a_covariate_that_thresholds_have(wine):
    data = wine.assign(x=np.random.default_rng(1).normal(size=len(wine)))
    fit = smm.mixedordinal2(FORMULA, data, nominal="~ x").fit()
    own = [name for name in fit.params.index if name.startswith("nominal: ")]
    C = fit.cov_params().loc[own, own].to_numpy()
    by_cut = fit.emtrends("cut", "x", mode="linear.predictor").to_frame()
    assert by_cut["cut"].tolist() == ["1|2", "2|3", "3|4", "4|5"]
    assert_allclose(by_cut["estimate"], fit.params[own], atol=1e-9)
    assert_allclose(by_cut["std_error"], np.sqrt(np.diag(C)), rtol=1e-7)
    latent = fit.emtrends("temp", "x")
    assert_allclose(latent.estimate, 2 * [-fit.params[own].mean()], atol=1e-9)
    assert_allclose(latent.std_error, np.sqrt(C.sum()) / 4, rtol=1e-7)
    assert_allclose(latent.contrasts("pairwise").estimate, 0.0, atol=1e-9)
    for wrong, match in (("prob", "latent, linear.predictor, not 'prob'"), (None, "not 'y'")):
        with pytest.raises(OptionError, match=match):
            fit.emtrends("1", "x" if wrong else "y", mode=wrong)


def test_slopes_of_the_mean_beside_thresholds_with_effects(wine):
    data = wine.assign(x=np.random.default_rng(1).normal(size=len(wine)))
    fit = smm.mixedordinal2("rating ~ temp * x + (1 | judge)", data, nominal="~ contact").fit()
    slope, more = fit.params["x"], fit.params["temp[T.warm]:x"]
    assert_allclose(fit.emtrends("temp", "x").estimate, [slope, slope + more], atol=1e-9)
    by_cut = fit.emtrends("temp", "x", mode="linear.predictor").estimate
    assert_allclose(by_cut, 4 * [-slope, -slope - more], atol=1e-9)
