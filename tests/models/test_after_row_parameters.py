"""What follows a fit with formulas of zeros or dispersion, or of ordered categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import statsmodels_mixed as smm
from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.results.row_labels import find_clusters
from statsmodels_mixed.standard_errors.row_parameter_clusters import row_parameter_scores

CLUSTERS: dict[str, Any] = {"cov_type": "cluster", "cov_kwds": {"groups": "brood"}}


@pytest.fixture(scope="module")
def ticks() -> pd.DataFrame:
    data = smm.datasets.load("grouseticks")
    cuts, labels = [-1, 0, 5, 100], ["no", "few", "many"]
    return data.assign(
        many=pd.cut(data["ticks"], cuts, labels=labels), share=data["ticks"].clip(0, 9) / 9
    )


@pytest.fixture(scope="module")
def fits(ticks) -> dict[str, Any]:
    counts = "ticks ~ year + (1 | brood)"
    return {
        "zeros": smm.mixedglm2(counts, ticks, "poisson", zero_inflation="~ 1").fit(),
        "hurdle": smm.mixedglm2(counts, ticks, "poisson", hurdle="~ year").fit(),
        "dispersion": smm.mixedglm2(counts, ticks, "nbinom2", dispersion="~ scale(cheight)").fit(),
        "shape": smm.mixedglm2("share ~ year + (1 | brood)", ticks, "ordered_beta").fit(),
        "ordered": smm.mixedordinal2("many ~ cheight + (1 | brood)", ticks).fit(),
    }


KINDS = ("zeros", "hurdle", "dispersion", "shape", "ordered")


@pytest.mark.parametrize("kind", KINDS)
def test_a_refit_is_the_model_of_the_new_response(ticks, fits, kind):
    fit = fits[kind]
    y = fit.simulate(2, seed=4)[:, 1]
    again = fit.refit(y)
    if kind == "ordered":
        y = pd.Categorical(y, categories=["no", "few", "many"], ordered=True)
        other = smm.mixedordinal2("y ~ cheight + (1 | brood)", ticks.assign(y=y)).fit()
    else:
        options = dict(fit.model.formulas)
        family = {"zeros": "poisson", "hurdle": "poisson", "dispersion": "nbinom2"}
        other = smm.mixedglm2(
            "y ~ year + (1 | brood)", ticks.assign(y=y), family.get(kind, "ordered_beta"), **options
        ).fit()
    assert again.llf == pytest.approx(other.llf, abs=1e-6)
    assert_allclose(again.params, other.params, rtol=2e-3, atol=2e-3)
    assert_array_equal(again.predict(ticks.head(3)).shape, other.predict(ticks.head(3)).shape)


@pytest.mark.parametrize("kind", KINDS)
def test_replicates_are_refits_to_the_draws(fits, kind):
    fit = fits[kind]
    replicates = fit.bootstrap(12, seed=4)
    assert replicates.converged.all()
    assert not replicates.failed.any()
    again = fit.refit(fit.simulate(12, seed=4)[:, 7])
    assert_allclose(replicates.frame.loc[7, "beta"][fit.params.index], again.params, rtol=1e-9)
    table = replicates.conf_int(0.2, "equal-tail")
    column = replicates.frame[("beta", fit.params.index[0])]
    assert table.loc[("beta", fit.params.index[0]), "lower"] == column.quantile(0.1)
    assert table.loc[("sd", "brood.Intercept"), "replicates"] == 12
    # They spread as the standard errors say: within a factor for so few.
    ratio = replicates.frame["beta"][fit.params.index].std() / fit.bse
    assert ratio.between(0.3, 3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_clusters_sum_to_zero_and_make_the_sandwich(fits, kind):
    fit = fits[kind]
    design, clusters = fit.model.kept_design(), find_clusters(fit.model, "brood")
    scores = row_parameter_scores(design, fit.estimates, clusters)
    assert np.abs(scores.sum(axis=0)).max() < 1e-4 * np.abs(scores).sum(axis=0).min()
    robust = fit.with_inference(**CLUSTERS)
    bread = fit.estimates.covariance
    inner = scores.T @ scores * len(clusters) / (len(clusters) - 1)
    wanted = np.sqrt(np.diag(bread @ inner @ bread))[fit._order]
    assert_allclose(robust.bse, wanted, rtol=1e-10)
    assert "cluster-robust (CR1, 118 clusters)" in str(robust.summary())
    assert fit.cov_type == "hessian"


def test_robust_errors_are_those_of_the_other_computation_of_this_likelihood(ticks):
    formula = "ticks ~ year + (1 | brood)"
    other = smm.mixedglm2(formula, ticks, "nbinom2").fit(hessian="observed", **CLUSTERS)
    fit = smm.mixedglm2(formula, ticks, "nbinom2", dispersion="~ 1").fit(**CLUSTERS)
    assert_allclose(fit.bse[other.bse.index], other.bse, rtol=1e-6)
    tables = [each.emmeans("year").to_frame()["std_error"] for each in (fit, other)]
    assert_allclose(*tables, rtol=1e-6)


def test_tables_of_the_kinds(ticks, fits):
    for kind, fit in fits.items():
        table = fit.tidy()
        fixed = table[table["effect"] == "fixed"]
        assert_array_equal(fixed["estimate"], fit.params)
        assert_allclose(fixed[["lower", "upper"]], fit.conf_int())
        sd = table.loc[table["effect"] == "ran_pars", "estimate"].item()
        assert sd == pytest.approx(float(np.abs(fit.theta[0])))
        assert fit.glance()["npar"].item() == fit.dof
        assert fit.glance()["aic"].item() == pytest.approx(fit.aic)
        assert fit.glance()["aicc"].item() == pytest.approx(fit.aicc)
        assert fit.glance()["df_resid"].item() == fit.nobs - fit.dof
        rows = fit.augment(ticks)
        assert len(rows) == len(ticks)
        if kind == "ordered":
            assert_allclose(rows.filter(like=".prob_").sum(axis=1), 1)
        else:
            assert_allclose(rows[".fitted"] + rows[".resid"], fit.model.endog)
    assert set(fits["hurdle"].tidy()["component"]) == {"cond", "zi"}
    assert set(fits["dispersion"].tidy()["component"]) == {"cond", "disp"}


def test_standard_errors_beside_a_probability_at_its_boundary(ticks):
    formula = "ticks ~ 1 + (1 | brood)"
    fit = smm.mixedglm2(formula, ticks, "nbinom2", zero_inflation="~ 1", dispersion="~ year").fit()
    without = smm.mixedglm2(formula, ticks, "nbinom2", dispersion="~ year").fit()
    assert_allclose(fit.bse[without.bse.index], without.bse, rtol=1e-5)
    assert np.isnan(fit.bse["zi: Intercept"])
    # Replicates may leave the boundary.
    zeros = fit.bootstrap(8, seed=1).frame[("beta", "zi: Intercept")]
    assert zeros.max() > -10


def test_options_that_are_not_possible(fits):
    fit = fits["zeros"]
    with pytest.raises(OptionError, match="cov_type must be hessian or cluster"):
        fit.with_inference(cov_type="HC0")
    with pytest.raises(OptionError, match="a finite number for each of the 403 rows"):
        fit.refit([1.0, 2.0])
    with pytest.raises(OptionError, match="must hold the categories"):
        fits["ordered"].refit(["none"] * 403)
    with pytest.raises(OptionError, match="method must be one of"):
        fit.bootstrap(2, seed=1).conf_int(method="bca")
