"""What follows a fit: bootstrap, power, profile, and tests with degrees of freedom.

Answers are lmerTest's and lme4's (tests/reference), or what theory says of balanced layouts.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from reference import load
from reference.lme4_names import MODELS
from scipy.stats import f as f_distribution

from statsmodels_mixed import datasets
from statsmodels_mixed.inference import anova, bootstrap, power, profile

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"
DYESTUFF = "yield ~ 1 + (1 | batch)"


@cache
def sleepstudy() -> Any:
    return smf.mixedlm2(SLEEP, datasets.load("sleepstudy")).fit()


@pytest.mark.benchmark(group="bootstrap")
@pytest.mark.parametrize("threads", [1, 2])
def test_bootstrap_of_sleepstudy(benchmark, threads):
    result = sleepstudy()
    boot = benchmark(bootstrap, result, 1000, seed=1, threads=threads)
    assert boot.converged.all()
    # In a balanced layout the coefficients are those of least squares, for any theta.
    beta, error = boot.frame["beta"], result.bse / math.sqrt(1000)
    assert (np.abs(beta.mean() - result.params) < 5 * error).all()
    assert_allclose(beta.std(), result.bse, rtol=5 / math.sqrt(2000))


@pytest.mark.benchmark(group="bootstrap")
@pytest.mark.parametrize("threads", [1, 2])
def test_bootstrap_of_dyestuff(benchmark, threads):
    result = smf.mixedlm2(DYESTUFF, datasets.load("dyestuff")).fit()
    boot = benchmark(bootstrap, result, 10_000, seed=1, threads=threads)
    assert boot.converged.all()
    # singular if the mean square between the 6 batches, by 5/6, is less than that within
    between = result.scale + 5 * float(result.varcorr.std_dev("batch").iloc[0]) ** 2
    chance = float(f_distribution.cdf(6 / 5 * result.scale / between, 5, 24))
    assert abs(boot.share_singular - chance) < 5 * math.sqrt(chance * (1 - chance) / 10_000)


@pytest.mark.benchmark(group="bootstrap")
def test_bootstrap_of_subjects(benchmark):
    result = sleepstudy()
    boot = benchmark(bootstrap, result, 200, kind="cases", seed=1, threads=1)
    assert boot.converged.all()
    # The coefficients are means of those of the subjects: their variance is the sample's.
    data = datasets.load("sleepstudy")
    lines = np.array(
        [np.polyfit(part["days"], part["reaction"], 1)[::-1] for _, part in data.groupby("subj")]
    )
    deviation = lines.std(axis=0) / math.sqrt(len(lines))
    error = deviation / math.sqrt(200)
    assert (np.abs(boot.frame["beta"].mean() - result.params) < 5 * error).all()
    assert_allclose(boot.frame["beta"].std(), deviation, rtol=5 / math.sqrt(400))


@pytest.mark.benchmark(group="power")
@pytest.mark.parametrize("test", ["wald", "lrt"])
def test_power_of_sleepstudy(benchmark, test):
    found = benchmark(
        power,
        sleepstudy(),
        1000,
        beta={"days": 0.0},
        hypotheses={"days": [0.0, 1.0]},
        test=test,
        seed=1,
        threads=1,
    )
    assert found.converged.all()
    # The hypothesis is true; tests of 18 subjects by the normal distribution reject too often.
    row = found.table(level=0.9999).loc["days"]
    assert row["lower"] < 0.08 and row["upper"] > 0.05


@pytest.mark.benchmark(group="profile")
def test_profile_of_sleepstudy(benchmark):
    record = next(one for one in load("inference_profile") if one["id"] == "sleep_slope")
    wanted = record["levels"][0]
    profiled = benchmark(profile, sleepstudy())
    table = profiled.conf_int(1 - wanted["level"])
    of_lme4 = {
        "sd_(Intercept)|Subject": ("sd", "subj.Intercept"),
        "sd_Days|Subject": ("sd", "subj.days"),
        "cor_Days.(Intercept)|Subject": ("corr", "subj.days.Intercept"),
        "sigma": ("sigma", ""),
        "(Intercept)": ("beta", "Intercept"),
        "Days": ("beta", "days"),
    }
    for name, lower, upper in zip(record["names"], wanted["lower"], wanted["upper"], strict=True):
        ours = table.loc[of_lme4[name]]
        atol = 1e-3 * (upper - lower)
        assert_allclose([ours.lower, ours.upper], [lower, upper], rtol=0, atol=atol)


@pytest.mark.benchmark(group="type III tests, whole call")
def test_type_three_of_insteval(benchmark):
    model = MODELS["insteval_1"]  # with lme4's order of departments
    data = model.data()
    record = next(
        one
        for one in load("inference")
        if (one["id"], one["type"]) == ("insteval_1", "satterthwaite_anova_typeIII")
    )
    wanted = np.array(record["rows"])

    def run():
        fit = smf.mixedlm2(model.formula, data, **model.options).fit(reml=True)
        return anova(fit, typ=3, dof="satterthwaite")

    table = benchmark(run)
    assert list(table.index) == record["rownames"]
    at = {name: i for i, name in enumerate(record["columns"])}
    assert_allclose(table["F"], wanted[:, at["F value"]], rtol=1e-4)
    assert_allclose(table["df_denom"], wanted[:, at["DenDF"]], rtol=1e-4)
    assert_allclose(table["PR(>F)"], wanted[:, at["Pr(>F)"]], rtol=1e-3)
