"""Intervals of new responses where a mean has no finite error or a dispersion has vanished."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, poisson

from statsmodels_mixed import mixedglm2
from statsmodels_mixed.errors import SeparationWarning
from statsmodels_mixed.fitting.families.beta_binomial import beta_binomial_cdf
from statsmodels_mixed.prediction.new_response_quantiles import _least_whole

RNG = np.random.default_rng(1)
GROUP = np.arange(120) % 12
EFFECT = 0.5 * RNG.normal(size=12)[GROUP]
ARM = np.repeat(list("abc"), 40)


def test_an_arm_without_counts_has_an_interval():
    counts = np.where(ARM == "c", 0, RNG.poisson(np.exp(0.5 + EFFECT)))
    data = pd.DataFrame({"y": counts, "arm": ARM, "g": GROUP})
    with pytest.warns(SeparationWarning):
        fit = mixedglm2("y ~ arm + (1 | g)", data, "poisson").fit()
    found = fit.get_prediction(data.groupby("arm").head(1)).summary_frame()
    assert (found["obs_ci_lower"] == 0).all()
    assert found["obs_ci_upper"].iloc[2] > 1e100  # its mean may be anything
    assert (found["obs_ci_upper"].iloc[:2] < 30).all()


def test_the_least_count_beyond_whole_doubles():
    def cdf(y):  # half of the probability at a number next to which there is no whole one
        return np.where(y >= 2.0**900, 1.0, 0.4) * (y >= 0)

    assert _least_whole(cdf, 0.9, np.array([3.0]), None) == 2.0**900
    mean = np.array([0.3, 17.0])
    small = _least_whole(lambda y: poisson.cdf(y, mean), 0.9, mean, None)
    np.testing.assert_array_equal(small, poisson.ppf(0.9, mean))


@pytest.mark.parametrize("precision", [1e12, 1e14, 1e17, 1e21])
@pytest.mark.parametrize("trials", [1.0, 10.0, 80.0])
def test_shares_that_hardly_vary_are_those_of_the_binomial(precision, trials):
    share = RNG.uniform(0.05, 0.95, 40)
    k = np.floor(RNG.uniform(0, trials, 40))
    found = beta_binomial_cdf(k, trials, share * precision, (1 - share) * precision)
    np.testing.assert_allclose(found, binom.cdf(k, trials, share), rtol=0, atol=1e-9)


def test_trials_of_no_overdispersion_have_the_intervals_of_the_binomial():
    share = np.round(10 / (1 + np.exp(-EFFECT))) / 10
    data = pd.DataFrame({"y": share, "g": GROUP, "trials": 10.0})
    found = [
        mixedglm2("y ~ 1 + (1 | g)", data, family, weights="trials").fit().get_prediction(re=True)
        for family in ("beta_binomial", "binomial")
    ]
    np.testing.assert_allclose(*[each.conf_int(obs=True) for each in found], atol=1e-9)
