"""Coverage of intervals and size of tests, by simulation, against what theory says.

A balanced one-way layout whose group means vary much more than their errors: the likelihood
is that of G independent group means of variance lambda / n beside that of the residuals, which
have G (n - 1) degrees of freedom. With t the usual statistic of the grand mean, distributed as
Student's with G - 1 degrees of freedom, an interval for it contains the truth when

    z test, REML        |t| < z                         z test, ML      |t| < z sqrt((G-1)/G)
    likelihood ratio    G log(1 + t^2/(G-1)) < z^2      small sample    |t| < t(G-1, 1 - alpha/2)

and one for sigma by the likelihood ratio when m (r - 1 - log r) < z^2 with r = chi2_m / m and
m = G (n - 1).
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import optimize, stats

from statsmodels_mixed import SingularFitWarning
from statsmodels_mixed.inference import bootstrap, profile

pytestmark = pytest.mark.slow

GROUPS, ROWS = 6, 5
REPLICATES = 2000
MEAN, SD, SIGMA = 3.0, 4.0, 1.0
Z = stats.norm.ppf(0.975)


def within_error(rate, expected, count=REPLICATES):
    """A binomial share, within 3.5 standard errors of what is expected."""
    assert abs(rate - expected) < 3.5 * np.sqrt(expected * (1 - expected) / count)


def quietly(model, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return model.fit(**how)


@cache
def layouts():
    rng = np.random.default_rng(20261123)
    group = np.repeat(np.arange(GROUPS), ROWS)
    frame = pd.DataFrame({"group": group, "y": 0.0})
    frames = []
    for _ in range(REPLICATES):
        y = MEAN + SD * rng.normal(size=GROUPS)[group] + SIGMA * rng.normal(size=len(group))
        frames.append(frame.assign(y=y))
    return frames


def theory(inside):
    """Chance that Student's t with G - 1 degrees of freedom is below a bound."""
    return 1 - 2 * stats.t.sf(inside, GROUPS - 1)


@pytest.mark.parametrize(
    ("how", "bound"),
    [
        ({"reml": False}, Z * np.sqrt((GROUPS - 1) / GROUPS)),
        ({"reml": True}, Z),
        ({"reml": True, "dof": "satterthwaite"}, stats.t.ppf(0.975, GROUPS - 1)),
        ({"reml": True, "dof": "kenward-roger"}, stats.t.ppf(0.975, GROUPS - 1)),
        (
            {
                "reml": True,
                "dof": "satterthwaite",
                "cov_type": "cluster",
                "cov_kwds": {"groups": "group", "kind": "CR2"},
            },
            stats.t.ppf(0.975, GROUPS - 1),
        ),
    ],
    ids=["z, ML", "z, REML", "Satterthwaite", "Kenward-Roger", "CR2"],
)
def test_wald_intervals_of_a_mean(how, bound):
    hits = 0
    for frame in layouts():
        interval = quietly(smf.mixedlm2("y ~ 1 + (1 | group)", frame), **how).conf_int()
        hits += interval.iloc[0, 0] < MEAN < interval.iloc[0, 1]
    within_error(hits / REPLICATES, theory(bound))


def test_profile_intervals():
    mean_hits = sigma_hits = 0
    for frame in layouts():
        fit = quietly(smf.mixedlm2("y ~ 1 + (1 | group)", frame))
        table = profile(fit, ["beta", "sigma"]).conf_int()
        (low, high), (low_s, high_s) = table[["lower", "upper"]].to_numpy()
        mean_hits += low < MEAN < high
        sigma_hits += low_s < SIGMA < high_s
    bound = np.sqrt((GROUPS - 1) * np.expm1(Z**2 / GROUPS))
    within_error(mean_hits / REPLICATES, theory(bound))
    m = GROUPS * (ROWS - 1)
    rise = [
        optimize.brentq(lambda r: m * (r - 1 - np.log(r)) - Z**2, *bracket)
        for bracket in ((1e-6, 1), (1, 50))
    ]
    inside = np.diff(stats.chi2.cdf(np.array(rise) * m, m))[0]
    within_error(sigma_hits / REPLICATES, inside)


def test_bootstrap_intervals():
    # Replicates of the mean are normal with the standard error by maximum likelihood, about
    # the estimate: the intervals are those of the z test, but for the noise of 999 replicates.
    count, hits = 400, dict.fromkeys(["percentile", "basic", "shortest", "equal-tail"], 0)
    for seed, frame in enumerate(layouts()[:count]):
        fit = quietly(smf.mixedlm2("y ~ 1 + (1 | group)", frame))
        replicates = bootstrap(fit, 999, seed=seed, threads=1)
        for method in hits:
            table = replicates.conf_int(method=method, kinds="beta")
            hits[method] += table["lower"].iloc[0] < MEAN < table["upper"].iloc[0]
    for found in hits.values():
        within_error(found / count, theory(Z * np.sqrt((GROUPS - 1) / GROUPS)), count)


def test_size_of_tests_in_a_small_sample():
    # Ten subjects of two arms, some with fewer rows; no effects. (Without the interaction the
    # effect of the arm borrows from the slopes by weights that are estimated, for which
    # Satterthwaite's method does not allow and Kenward and Roger's does.)
    rng, count = np.random.default_rng(7), 2000
    sizes = [4, 6, 5, 5, 6, 4, 6, 4, 5, 6]
    subject = np.repeat(np.arange(len(sizes)), sizes)
    time = np.concatenate([np.arange(size) for size in sizes]) / 2.0
    data = pd.DataFrame({"subject": subject, "time": time, "arm": (subject % 2).astype(float)})
    methods = [None, "satterthwaite", "kenward-roger"]
    rejected = pd.DataFrame(0.0, index=["arm", "arm:time"], columns=methods)
    for _ in range(count):
        effects = rng.normal(size=(len(sizes), 2)) * [2.0, 1.5]
        y = effects[subject, 0] + effects[subject, 1] * time + rng.normal(size=len(data))
        model = smf.mixedlm2("y ~ arm * time + (time | subject)", data.assign(y=y))
        fit = quietly(model, reml=True)
        for dof in methods:
            pvalues = fit.with_inference(dof=dof).pvalues[rejected.index]
            rejected[dof] += (pvalues < 0.05).astype(float)
    rates = rejected / count
    # The standard error of a rate is 0.005; with 8 degrees of freedom the normal test has 0.086.
    assert (rates["kenward-roger"] - 0.05).abs().max() < 0.015
    assert (rates["satterthwaite"] - 0.05).abs().max() < 0.015
    assert rates[None].min() > 0.07


def test_coverage_in_a_large_generalized_model():
    # Many groups: intervals given theta and by profile have their nominal level.
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(60), 10)
    frame = pd.DataFrame({"group": group, "x": np.tile(np.linspace(-1, 1, 10), 60), "y": 0.0})
    count, hits = 300, np.zeros(2)
    for _ in range(count):
        eta = 0.5 + 0.4 * frame["x"] + 0.6 * rng.normal(size=60)[group]
        model = smf.mixedglm2(
            "y ~ x + (1 | group)", frame.assign(y=rng.poisson(np.exp(eta))), sm.families.Poisson()
        )
        fit = model.fit()
        wald, profiled = fit.conf_int().loc["x"], fit.conf_int(method="profile").loc["x"]
        hits += [low < 0.4 < high for low, high in (wald, profiled)]
    for share in hits / count:
        within_error(share, 0.95, count)
