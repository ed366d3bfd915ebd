"""Formulas for zeros and dispersion, families with shapes, ordered categories: fits of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed._core import CoreGeneralized, row_derivatives
from statsmodels_mixed.errors import (
    ConvergenceWarning,
    DataError,
    MixedModelWarning,
    OptionError,
)
from statsmodels_mixed.fitting.generalized.approximation import generalized_structure
from statsmodels_mixed.fitting.generalized.quadrature import gauss_hermite
from statsmodels_mixed.prediction.distributional.predict import parameters_of_rows

HERE = Path(__file__).parents[1] / "reference" / "families"
RECORDS = {
    record["id"]: record for record in json.loads((HERE / "records.json").read_text())["records"]
}


@pytest.fixture(scope="module")
def salamanders() -> pd.DataFrame:
    data = pd.read_csv(HERE / "salamanders.csv")
    data["mined"] = pd.Categorical(data["mined"], categories=["yes", "no"])
    kinds = ["GP", "PR", "DM", "EC-A", "EC-L", "DES-L", "DF"]
    data["spp"] = pd.Categorical(data["spp"], categories=kinds)
    data["p"] = data["count"] / (data["count"] + 5)
    return data


def agree(fit, name: str) -> None:
    """Compare log-likelihood, coefficients of all parts and standard errors with glmmTMB."""
    record = RECORDS[f"glmmTMB/{name}"]
    assert fit.converged
    assert fit.llf == pytest.approx(record["loglik"], abs=1e-6)
    for part, prefixes in (("cond", ()), ("zi", ("zi: ", "hurdle: ")), ("disp", ("disp: ",))):
        if part not in record:
            continue
        own = [
            name
            for name in fit.params.index
            if (name.startswith(prefixes) if prefixes else ": " not in name)
        ]
        wanted, error = np.array(record[part]["est"]), record[part]["se"]
        known = np.array([np.nan if each is None else each for each in error], dtype=float)
        scale = np.nanmin(known) if np.isfinite(known).any() else 0.1
        # Columns are in another order in R where numbers and factors mix.
        assert_allclose(np.sort(fit.params[own]), np.sort(wanted), atol=1e-4 * scale)
        if np.isfinite(known).all():
            assert_allclose(np.sort(fit.bse[own]), np.sort(known), rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "formula", "family", "parts"),
    [
        ("sal_zip_mined", "count ~ spp * mined", "poisson", {"zero_inflation": "~ mined"}),
        ("sal_zinb2", "count ~ spp * mined", "nbinom2", {"zero_inflation": "~ mined"}),
        ("sal_nb2_disp_spp", "count ~ spp + mined", "nbinom2", {"dispersion": "~ spp"}),
        ("sal_hurdle_poisson", "count ~ spp + mined", "poisson", {"hurdle": "~ spp + mined"}),
    ],
)
def test_salamanders(salamanders, name, formula, family, parts):
    agree(smm.mixedglm2(f"{formula} + (1 | site)", salamanders, family, **parts).fit(), name)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
def test_zeros_of_a_beta_response(salamanders):
    model = smm.mixedglm2(
        "p ~ mined + cover + (1 | site)", salamanders, "beta", zero_inflation="~ mined"
    )
    fit = model.fit()
    assert fit.llf == pytest.approx(RECORDS["glmmTMB/sal_zi_beta"]["loglik"], abs=1e-6)


def test_owls(owls):
    formula = "SiblingNegotiation ~ FoodTreatment + cArr + SexParent + offset(logBroodSize)"
    agree(
        smm.mixedglm2(f"{formula} + (1 | Nest)", owls, "poisson", zero_inflation="~ 1").fit(),
        "owls_zip",
    )
    model = smm.mixedglm2(
        "NegPerChick ~ FoodTreatment + cArr + (1 | Nest)", owls, "gamma", link="log",
        hurdle="~ FoodTreatment",
    )  # fmt: skip
    agree(model.fit(), "owls_hurdle_gamma")


def test_inflation_at_its_boundary_is_said_in_words(salamanders):
    fit = smm.mixedglm2(
        "count ~ spp + mined + (1 | site)", salamanders, "nbinom2", zero_inflation="~ mined",
        dispersion="~ mined",
    ).fit()  # fmt: skip
    record = RECORDS["glmmTMB/sal_zinb2_disp"]
    assert fit.llf == pytest.approx(record["loglik"], abs=2e-6)  # flat towards its supremum
    assert "Zero inflation: the probability is 0" in str(fit.summary())


def test_students_t_with_estimated_degrees_of_freedom():
    sleep = smm.datasets.load("sleepstudy")
    fit = smm.mixedglm2("reaction ~ days + (days | subj)", sleep, "t").fit()
    record = RECORDS["glmmTMB/sleep_t"]
    assert fit.llf == pytest.approx(record["loglik"], abs=1e-6)
    assert_allclose(fit.params.iloc[:2], record["cond"]["est"], atol=1e-4)
    assert fit.dispersion == pytest.approx(record["sigma"], rel=1e-4)
    given = smm.families.StudentT(df=fit.shape["df"])
    same = smm.mixedglm2("reaction ~ days + (days | subj)", sleep, given).fit()
    assert same.llf == pytest.approx(fit.llf, abs=1e-7)
    assert same.dof == fit.dof - 1


@pytest.mark.parametrize(
    ("name", "options", "fit_options"),
    [
        ("wine_logit", {}, {}),
        ("wine_loglog", {"link": "loglog"}, {}),
        ("wine_logit_agq10", {}, {"n_agq": 10}),
        ("wine_symmetric", {"threshold": "symmetric"}, {}),
    ],
)
def test_ratings_of_wine(wine, name, options, fit_options):
    record = RECORDS[f"clmm/{name}"]
    model = smf.mixedordinal2("rating ~ temp + contact + (1 | judge)", wine, **options)
    fit = model.fit(**fit_options)
    assert fit.converged
    # clmm stops early: its log-likelihood is good to about 1e-4.
    assert fit.llf == pytest.approx(record["loglik"], abs=3e-4)
    error = np.array(record["cond"]["se"])
    assert_allclose(fit.params, record["cond"]["est"], atol=1e-3 * error.min())
    assert_allclose(fit.bse, error, rtol=3e-3)


def test_ratings_with_random_slopes_and_equidistant_thresholds(wine):
    fit = smm.mixedordinal2("rating ~ temp + contact + (temp | judge)", wine).fit()
    record = RECORDS["clmm/wine_slope"]
    assert fit.llf == pytest.approx(record["loglik"], abs=1e-6)
    equal = smm.mixedordinal2(
        "rating ~ temp + contact + (1 | judge)", wine, threshold="equidistant"
    ).fit()
    free = smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", wine).fit()
    assert list(equal.params.index[:2]) == ["threshold.1", "spacing"]
    assert equal.llf < free.llf
    assert equal.dof == free.dof - 2


def test_predictions_of_categories(wine):
    fit = smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", wine).fit()
    p = fit.predict(wine)
    assert list(p.columns) == [1, 2, 3, 4, 5]
    assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    eta = fit.params["temp[T.warm]"] * (wine["temp"] == "warm")
    eta += fit.params["contact[T.yes]"] * (wine["contact"] == "yes")
    assert_allclose(p[1], 1 / (1 + np.exp(eta - fit.params["1|2"])), rtol=1e-12)
    assert (fit.predict(wine, which="class") == p.idxmax(axis=1)).all()
    assert_allclose(fit.predict(wine, which="linear"), eta, atol=1e-12)


def test_parts_of_the_mean(salamanders):
    fit = smm.mixedglm2(
        "count ~ mined + (1 | site)", salamanders, "nbinom2", hurdle="~ mined"
    ).fit()
    new = salamanders.head(4)
    zero = fit.predict(new, which="zero_probability")
    wanted = fit.params["hurdle: Intercept"]
    wanted = wanted + fit.params["hurdle: mined[T.no]"] * (new["mined"] == "no")
    assert_allclose(zero, 1 / (1 + np.exp(-wanted.astype(float))), rtol=1e-12)
    mean = fit.predict(new)
    assert_allclose(mean, (1 - zero) * fit.predict(new, which="conditional"), rtol=1e-12)
    # The mean is that of the probabilities.
    y, eta = np.arange(4000.0), fit.predict(new, which="linear").iloc[0]
    outer = np.tile(parameters_of_rows(fit, new, 4)[0], (4000, 1))
    rows, _ = row_derivatives(
        "truncated_negative_binomial", "log", y, np.full(4000, eta), outer, zeros="hurdle"
    )
    assert (np.exp(rows[:, 0]) * y).sum() == pytest.approx(mean.iloc[0], rel=1e-9)
    assert_allclose(fit.fittedvalues, fit.predict(re=True), rtol=1e-12)


@pytest.mark.parametrize("family", ["nbinom1", "compois", "tweedie"])
def test_gradients_of_all_parameters_are_those_of_differences(salamanders, family):
    few = salamanders.iloc[::6]
    parts = {} if family == "tweedie" else {"zero_inflation": "~ cover"}
    model = smm.mixedglm2("count ~ mined + (1 | site)", few, family, dispersion="~ mined", **parts)
    design, spec = model.kept_design(), model.spec
    rows, structure = model._rows(design), generalized_structure(design)
    for n_agq in (1, 5):
        core = CoreGeneralized(structure.core, spec.family, spec.link, design.y, observed=True)
        core.set_sides(rows.X, rows.constant, rows.zeros)
        core.set_approximation(False, *gauss_hermite(n_agq))
        at = np.concatenate([[0.6], [-0.2, 0.5], rows.start + 0.1])
        _, gradient = core.value_and_gradient(at)
        steps = 1e-4 * np.eye(len(at))
        wanted = [
            (core.value_and_gradient(at + s)[0] - core.value_and_gradient(at - s)[0]) / 2e-4
            for s in steps
        ]
        assert_allclose(gradient, wanted, rtol=1e-5, atol=1e-5)


def test_an_update_keeps_the_other_formulas(owls):
    model = smm.mixedglm2(
        "SiblingNegotiation ~ cArr + (1 | Nest)", owls, "poisson", zero_inflation="~ 1"
    )
    assert list(model.update(". ~ . - cArr").fit().params.index) == ["Intercept", "zi: Intercept"]


def test_an_update_keeps_link_and_thresholds(wine):
    model = smm.mixedordinal2(
        "rating ~ temp + contact + (1 | judge)", wine, link="cloglog", threshold="equidistant"
    )
    smaller = model.update(". ~ . - contact")
    assert (smaller.link_name, smaller.threshold) == ("cloglog", "equidistant")
    same = smm.mixedordinal2(
        "rating ~ temp + (1 | judge)", wine, link="cloglog", threshold="equidistant"
    )
    assert smaller.fit().llf == pytest.approx(same.fit().llf, abs=1e-8)
    other = model.update("~ .", threshold="flexible").fit()
    assert other.dof == model.fit().dof + 2


def test_arrays_make_no_models_of_families_with_shapes(owls):
    y, ones = owls["NegPerChick"], np.ones((len(owls), 1))
    with pytest.raises(OptionError, match="made from a formula: mixedglm2"):
        smm.GeneralizedLinearMixedModel(y, ones, owls["Nest"], family=smm.families.Tweedie())


def test_what_is_not_possible_is_said(salamanders, wine):
    def model(**parts):
        return smm.mixedglm2("count ~ mined + (1 | site)", salamanders, "poisson", **parts)

    with pytest.raises(OptionError, match="poisson has no dispersion"):
        model(dispersion="~ 1")
    with pytest.raises(OptionError, match="two models of zeros"):
        model(zero_inflation="~ 1", hurdle="~ 1")
    with pytest.raises(
        DataError, match="zero_inflation='~ nothing': the data have no column 'nothing'"
    ):
        model(zero_inflation="~ nothing")
    salamanders = salamanders.assign(copy=salamanders["cover"])
    with pytest.raises(OptionError, match=r"not identified: zi: copy"):
        smm.mixedglm2(
            "count ~ 1 + (1 | site)", salamanders, "poisson", zero_inflation="~ cover + copy"
        )
    with pytest.raises(OptionError, match="threshold='free' is not possible"):
        smm.mixedordinal2("rating ~ 1 + (1 | judge)", wine, threshold="free")
    with pytest.raises(DataError, match="has two categories"):
        smm.mixedordinal2("contact ~ temp + (1 | judge)", wine)
    with pytest.raises(AttributeError, match="fitlog is not offered"):
        _ = model(zero_inflation="~ 1").fit().fitlog


def test_the_higher_of_two_maxima_of_presence_with_inflated_absence(salamanders):
    # glmmTMB 1.1.5 ends at -347.2240685 by itself; from beta = (3.4, -4.8, 0.13, -0.18), betazi =
    # -0.74, theta = log 1.42 it ends at these coefficients, with iter.max=2000 and rel.tol=1e-15.
    data = salamanders.assign(here=(salamanders["count"] > 0) * 1)
    formula = "here ~ C(mined, Treatment('no')) + cover + DOY + (1 | site)"
    fit = smm.mixedglm2(formula, data, "binomial", zero_inflation="~ 1").fit()
    assert fit.converged
    wanted = [3.3913305271, -4.8034078841, 0.1303455128, -0.1834641836, -0.7367374828]
    assert_allclose((fit.params - wanted) / fit.bse, 0.0, atol=1e-4)
    assert fit.report.other_optima == pytest.approx((2 * 347.22406852876,), abs=1e-6)


@pytest.mark.parametrize(("family", "most"), [("poisson", 35), ("nbinom2", 60)])
def test_a_search_for_zeros_that_are_none_ends_soon(family, most):
    # No count is zero: the likelihood is that without inflation, and of a Poisson distribution.
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(20), 6), rng.normal(size=120)
    data = pd.DataFrame({"g": g, "x": x, "y": 3 + rng.binomial(4 + 2 * g, 0.5)})
    plain = smm.mixedglm2("y ~ x + (1 | g)", data, "poisson").fit()
    fit = smm.mixedglm2("y ~ x + (1 | g)", data, family, zero_inflation="~ 1").fit()
    assert fit.converged
    assert fit.without_zeros
    assert fit.llf == pytest.approx(plain.llf, abs=1e-6)
    assert fit.report.evaluations <= most


def test_a_pole_of_laplaces_approximation_is_no_maximum():
    # A random effect for each row, and zeros of either kind: all rows with zeros split at once.
    ticks = smm.datasets.load("grouseticks")
    model = smm.mixedglm2("ticks ~ 1 + (1 | index)", ticks, "poisson", zero_inflation="~ 1")
    with pytest.warns(ConvergenceWarning, match="about to split in two"):
        fit = model.fit()
    assert fit.report.evaluations < 250
    assert model.fit(n_agq=9).converged


def test_a_hurdle_of_generalized_poisson_counts(salamanders):
    # glmmTMB 1.1.5: truncated_genpois, zi=~mined, with rel.tol=1e-15; it ends 2e-8 lower
    model = smm.mixedglm2("count ~ mined + (1 | site)", salamanders, "genpois", hurdle="~ mined")
    fit = model.fit()
    assert fit.llf == pytest.approx(-867.58831483019, abs=1e-6)
    wanted = [-0.9342964364, 1.9861349556, np.log(3.307197547), 1.665009404, -2.150518790]
    error = [1.0603405491, 1.0609926484, 0.1465958004, 0.1557857294, 0.1920661120]
    assert_allclose(fit.params, wanted, atol=1e-4)
    assert_allclose(fit.bse, error, rtol=2e-4)
    means = fit.predict(pd.DataFrame({"mined": ["yes", "no"]}))
    assert_allclose(means, [0.3216922279, 2.2353544535], rtol=1e-5)


def test_predicted_dispersions_are_those_of_glmmtmb(salamanders):
    # predict(type="disp", se.fit=TRUE) of glmmTMB 1.1.5, with rel.tol=1e-15
    model = smm.mixedglm2(
        "count ~ mined + (1 | site)", salamanders, "nbinom2", dispersion="~ mined"
    )
    new = pd.DataFrame({"mined": ["yes", "no"]})
    made = model.fit().get_prediction(new, which="dispersion")
    assert_allclose(made.predicted_mean, [0.2542260851, 0.7111818273], rtol=1e-5)
    assert_allclose(made.se_mean, [0.08291288615, 0.08795798390], rtol=1e-4)


def test_predicted_inflation_is_that_of_glmmtmb(salamanders):
    # predict(type="zprob", se.fit=TRUE, re.form=NA) of glmmTMB 1.1.5, with rel.tol=1e-15
    model = smm.mixedglm2(
        "count ~ mined + cover + (1 | site)", salamanders, "nbinom2", zero_inflation="~ mined"
    )
    fit = model.fit()
    new = pd.DataFrame({"mined": ["yes", "no"], "cover": salamanders["cover"].mean()})
    made = fit.get_prediction(new, which="inflation")
    assert_allclose(made.predicted_mean, [0.634558627, 0.141417591], rtol=1e-5)
    assert_allclose(made.se_mean, [0.1212273628, 0.0894231251], rtol=1e-4)
    assert_allclose(
        made.conf_int(),
        fit.emmeans("mined", component="zi", type="response").to_frame()[["lower", "upper"]],
        rtol=1e-6,
    )
    with pytest.raises(OptionError, match="is for models with zero_inflation="):
        model.update("count ~ mined + (1 | site)", zero_inflation=None, hurdle="~ 1").fit().predict(
            new, which="inflation"
        )


def test_a_hypothesis_on_nothing_has_no_test_and_no_warning_of_numpy():
    ticks = smm.datasets.load("grouseticks")
    fit = smm.mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", hurdle="~ 1").fit()
    test = fit.t_test(np.zeros((1, 2)))  # warnings are errors
    assert np.isnan(test.pvalue).all()
    assert test.effect == 0.0


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SingularFitWarning")
def test_text_is_in_the_order_of_the_alphabet_and_said_to_be(wine):
    words = np.array(["fifth", "a", "second", "low", "high"])
    text = wine["rating"].astype(int).map(lambda k: words[k - 1])
    formula = "word ~ temp + (1 | judge)"
    with pytest.warns(MixedModelWarning, match="alphabet, a < fifth < high < low < second: "):
        model = smm.mixedordinal2(formula, wine.assign(word=text))
    assert "order of the alphabet" in str(model.fit().summary())
    kept = pd.Categorical(text, words)  # its order is the user's, ordered or not
    assert smm.mixedordinal2(formula, wine.assign(word=kept)).notes == ()
    alike = pd.Categorical(text, sorted(words), ordered=True)
    assert smm.mixedordinal2(formula, wine.assign(word=alike)).notes == ()
