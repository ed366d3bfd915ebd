"""Tests of terms of models with several formulas and of ordinal ones, against R."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

import statsmodels_mixed as smm
from statsmodels_mixed.errors import OptionError

HERE = Path(__file__).parents[1] / "reference" / "families"


def wine():
    table = pd.read_csv(HERE / "wine.csv")
    return table.assign(rating=pd.Categorical(table["rating"], ordered=True))


@pytest.fixture(scope="module")
def ordered():
    return smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", wine()).fit()


def test_drop1_is_that_of_glmmtmb(inflated):
    # drop1(test = "Chisq") of glmmTMB 1.1.5
    table = inflated.drop1()
    assert table.index.tolist() == ["<none>", "spp", "mined", "zi: mined"]
    assert_allclose(table["aic"][:3], [1668.8367011, 1741.4215417, 1690.1046129], rtol=1e-8)
    assert_allclose(table["statistic"][1:3], [84.5848406, 23.2679119], rtol=1e-6)
    assert_allclose(table["pvalue"][1:3], [4.0240247e-16, 1.4093177e-06], rtol=1e-4)
    # and logLik of the model with ziformula = ~ 1
    assert table.loc["zi: mined", "llf"] == pytest.approx(-826.2022045546, abs=1e-6)


def test_ranova_compares_with_the_model_without_random_effects(inflated):
    table = inflated.ranova()
    # glmmTMB 1.1.5 without (1 | site)
    assert table.loc["(1 | site)", "llf"] == pytest.approx(-827.0007874319, abs=1e-6)
    statistic = table.loc["(1 | site)", "statistic"]
    assert table.loc["(1 | site)", "pvalue_boundary"] == pytest.approx(chi2.sf(statistic, 1) / 2)


def test_ranova_of_zeros_is_a_fit_without_their_effects(salamanders, random_zeros):
    table = random_zeros.ranova()
    assert table.index.tolist() == ["<none>", "(1 | site)", "zi: (1 | site)"]
    for formula, zeros, row in (
        ("count ~ mined", "~ mined + (1 | site)", "(1 | site)"),
        ("count ~ mined + (1 | site)", "~ mined", "zi: (1 | site)"),
    ):
        options = {"zero_inflation": zeros}
        smaller = smm.mixedglm2(formula, salamanders, "poisson", **options).fit()
        assert table.loc[row, "llf"] == pytest.approx(smaller.llf, abs=1e-6)
        test = random_zeros.compare_lr_test(smaller)
        assert table.loc[row, "pvalue_boundary"] == pytest.approx(test.pvalue, rel=1e-4)


def test_wald_tests_are_those_of_car(inflated, salamanders):
    # Anova() of car 3.1 for glmmTMB 1.1.5
    table = inflated.anova(type=2)
    assert_allclose(table["F"] * table["df_num"], [88.4162855, 18.3361592], rtol=1e-4)
    of_zeros = inflated.anova(component="zi")
    assert of_zeros.loc["mined", "F"] == pytest.approx(1.3349351, rel=1e-3)
    formula = "count ~ spp * mined + (1 | site)"
    crossed = smm.mixedglm2(formula, salamanders, "poisson", zero_inflation="~ mined").fit()
    interaction = crossed.anova(type=2).loc["spp:mined"]
    assert interaction["F"] * 6 == pytest.approx(20.2241605, rel=1e-4)


def test_ordinal_terms_are_those_of_ordinal_and_emmeans(ordered):
    # drop1(test = "Chisq"), and clm() without judges, of ordinal 2022.11.16
    table = ordered.drop1()
    assert_allclose(table["aic"], [177.1308255, 209.5945289, 189.4775448], rtol=1e-7)
    assert_allclose(table["statistic"][1:], [34.4637034, 14.3467192], rtol=1e-6)
    assert ordered.ranova().loc["(1 | judge)", "llf"] == pytest.approx(-86.4919233656, abs=1e-6)
    formula = "rating ~ temp * contact + (1 | judge)"
    table = smm.mixedordinal2(formula, wine()).fit().anova()
    # joint_tests() of emmeans 1.8.4
    assert_allclose(table["F"], [26.454, 12.798, 0.059], rtol=1e-3, atol=5e-4)


def test_terms_of_the_dispersion(salamanders):
    formula = "count ~ mined + (1 | site)"
    fit = smm.mixedglm2(formula, salamanders, "nbinom2", dispersion="~ mined").fit()
    smaller = smm.mixedglm2(formula, salamanders, "nbinom2").fit(hessian="observed")
    table = fit.drop1()
    assert table.loc["disp: mined", "llf"] == pytest.approx(smaller.llf, abs=1e-5)
    z = fit.tvalues["disp: mined[T.yes]"]
    assert fit.anova(component="disp").loc["mined", "F"] == pytest.approx(z**2)
    assert fit.joint_tests(component="disp").loc[0, "statistic"] == pytest.approx(z**2)


def test_means_of_components_are_those_of_emmeans(inflated):
    # emmeans 1.8.4 with component = "cond" and "zi" of glmmTMB 1.1.5
    mean, zeros = inflated.emmeans("mined"), inflated.emmeans("mined", component="zi")
    assert mean.labels["mined"].tolist() == ["no", "yes"]
    assert_allclose(mean.estimate, [0.60946728919, -0.94679994795], rtol=1e-4)
    assert_allclose(mean.std_error, [0.16643581743, 0.3598397185], rtol=1e-3)
    assert_allclose(zeros.estimate, [-3.5594747343, -0.0766864989], rtol=2e-3)
    assert_allclose(zeros.std_error, [3.2076452323, 0.5334413866], rtol=5e-3)


def test_means_of_the_response_are_averages_of_predictions(inflated, salamanders):
    cells = salamanders.groupby(["spp", "mined"], as_index=False).first()
    predicted = inflated.predict(cells).groupby(cells["mined"].to_numpy()).mean()
    means = inflated.emmeans("mined", component="response")
    assert_allclose(means.estimate, predicted, rtol=1e-12)
    each = inflated.emmeans("spp", by="mined", component="response").to_frame()
    joined = each.merge(
        cells.assign(se=inflated.get_prediction(cells).se_mean), on=["spp", "mined"]
    )
    assert_allclose(joined["std_error"], joined["se"], rtol=1e-6)


def test_means_of_the_response_have_the_offset_of_the_rows():
    owls = pd.read_csv(HERE / "owls.csv").rename(columns={"SiblingNegotiation": "calls"})
    formula = "calls ~ FoodTreatment + offset(logBroodSize) + (1 | Nest)"
    fit = smm.mixedglm2(formula, owls, "nbinom1", zero_inflation="~ FoodTreatment").fit()
    cells = pd.DataFrame({"FoodTreatment": ["Deprived", "Satiated"]})
    cells["logBroodSize"] = owls["logBroodSize"].mean()
    means = fit.emmeans("FoodTreatment", component="response").estimate
    assert_allclose(means, fit.predict(cells), rtol=1e-10)
    zeros = fit.emmeans("FoodTreatment", component="zi").estimate
    at = fit.params[["zi: Intercept", "zi: FoodTreatment[T.Satiated]"]].cumsum()
    assert_allclose(zeros, at, rtol=1e-12)


def test_means_over_the_population_of_effects_on_zeros(random_zeros):
    means = random_zeros.emmeans("mined", component="zi", population=True)
    sd = random_zeros.varcorr["zi: site"].std_dev[0]
    eta = random_zeros.params["zi: Intercept"]
    draws = np.random.default_rng(1).normal(eta, sd, 400_000)
    assert means.estimate[0] == pytest.approx(np.mean(1 / (1 + np.exp(-draws))), abs=2e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"component": "zeros"}, "component= is one of cond, zi, disp"),
        ({"component": "disp"}, "is for a model with dispersion="),
        ({"component": "response", "population": True}, "random effects of zero"),
        ({"mode": "prob"}, "ordered categories"),
    ],
)
def test_what_is_not_possible(inflated, ordered, options, said):
    with pytest.raises(OptionError, match=said):
        inflated.emmeans("mined", **options)
    with pytest.raises(OptionError, match="mode="):
        ordered.emmeans("temp", component="zi")
