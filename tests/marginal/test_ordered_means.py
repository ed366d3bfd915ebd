"""Marginal means of ordered categories against the R package emmeans, and by hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedordinal2
from statsmodels_mixed.errors import OptionError

HERE = Path(__file__).parents[1] / "reference" / "families"
FITS = json.loads((HERE / "ordered_means.json").read_text())["fits"]
SPECS = {
    "latent": "temp * contact",
    "mean.class": "temp * contact",
    "prob": "rating | temp",
    "cum.prob": "cut | temp",
    "linear.predictor": "cut | temp",
}


def wine():
    table = pd.read_csv(HERE / "wine.csv")
    return table.assign(rating=pd.Categorical(table["rating"], ordered=True))


@pytest.fixture(scope="module")
def fits():
    def fitted(formula, **options):
        return mixedordinal2(f"rating ~ {formula} + (1 | judge)", wine(), **options).fit()

    return {
        "logit": fitted("temp + contact"),
        "probit_equidistant": fitted("temp * contact", link="probit", threshold="equidistant"),
        "logit_symmetric": fitted("temp + contact", threshold="symmetric"),
    }


@pytest.mark.parametrize("mode", SPECS)
@pytest.mark.parametrize("name", FITS)
def test_means_are_those_of_emmeans(fits, name, mode):
    means, expected = fits[name].emmeans(SPECS[mode], mode=mode), FITS[name][mode]
    np.testing.assert_allclose(means.estimate, expected["estimate"], atol=2e-4, rtol=0)
    np.testing.assert_allclose(means.std_error, expected["se"], rtol=2e-3)


@pytest.mark.parametrize("name", FITS)
def test_contrasts_and_joint_tests_are_those_of_emmeans(fits, name):
    means = fits[name].emmeans("temp", by="rating", mode="prob", weights="proportional")
    pairs, expected = means.contrasts("pairwise"), FITS[name]["pairs"]
    np.testing.assert_allclose(pairs.estimate, expected["estimate"], atol=2e-4, rtol=0)
    np.testing.assert_allclose(pairs.std_error, expected["se"], rtol=2e-3)
    joint = fits[name].joint_tests()
    assert joint["term"].tolist() == FITS[name]["joint"]["term"]
    np.testing.assert_allclose(joint["statistic"], FITS[name]["joint"]["F"], rtol=5e-3)


def test_published_means(fits):
    # emmeans 1.8.4 for clmm of ordinal, with its default options
    latent = fits["logit"].emmeans("temp")
    np.testing.assert_allclose(latent.estimate, [-1.6343069, 1.4286897], atol=1e-4)
    np.testing.assert_allclose(latent.std_error, [0.5470711, 0.5315306], rtol=1e-3)
    mean_class = fits["logit"].emmeans("temp", mode="mean.class")
    np.testing.assert_allclose(mean_class.estimate, [2.339608, 3.479936], atol=1e-4)


def test_probabilities_are_averages_of_predictions(fits):
    fit = fits["probit_equidistant"]
    grid = wine().groupby(["temp", "contact"], as_index=False).first()
    by_temp = fit.predict(grid).groupby(grid["temp"].to_numpy()).mean()
    means = fit.emmeans("temp", type="response").to_frame()
    assert means.columns[:2].tolist() == ["temp", "rating"]
    wide = means.pivot(index="temp", columns="rating", values="estimate")
    np.testing.assert_allclose(wide, by_temp, atol=1e-12)
    np.testing.assert_allclose(wide.sum(axis=1), 1.0, atol=1e-12)
    beyond = fit.emmeans("cut", by="temp", mode="exc.prob").estimate
    up_to = fit.emmeans("cut", by="temp", mode="cum.prob").estimate
    np.testing.assert_allclose(beyond + up_to, 1.0, atol=1e-12)


def test_order_of_means_follows_what_was_asked(fits):
    fit = fits["logit"]
    within = fit.emmeans("rating | temp", mode="prob").to_frame()
    across = fit.emmeans("temp | rating", mode="prob").to_frame()
    assert within["rating"].tolist() == [1, 2, 3, 4, 5] * 2
    assert across["temp"].tolist() == ["cold", "warm"] * 5
    both = within.merge(across, on=["temp", "rating"])
    np.testing.assert_allclose(both["estimate_x"], both["estimate_y"])
    overall = fit.emmeans("1", mode="prob", by="temp").to_frame()
    pd.testing.assert_frame_equal(overall, within)


def test_differences_on_the_latent_scale_are_coefficients(fits):
    fit = fits["logit"]
    pairs = fit.emmeans("temp").contrasts("revpairwise")
    assert pairs.estimate[0] == pytest.approx(fit.params["temp[T.warm]"])
    assert pairs.std_error[0] == pytest.approx(fit.bse["temp[T.warm]"])


def test_thresholds_replace_an_intercept_that_is_left_out(fits):
    # ordinal warns that an intercept is needed and assumed
    fit = mixedordinal2("rating ~ 0 + temp + contact + (1 | judge)", wine()).fit()
    pd.testing.assert_series_equal(fit.params, fits["logit"].params, rtol=1e-6)
    pd.testing.assert_series_equal(fit.bse, fits["logit"].bse, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"specs": "temp", "mode": "probability"}, "mode= is one of latent"),
        ({"specs": "cut"}, "'cut' is no variable"),
        ({"specs": "judge", "mode": "prob"}, "grouping factor"),
        ({"specs": "temp", "type": "prob"}, "type= is one of"),
    ],
)
def test_what_is_not_possible(fits, options, said):
    with pytest.raises(OptionError, match=said):
        fits["logit"].emmeans(**options)
