"""What follows a fit of zeros, dispersions and families, against glmmTMB and emmeans."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed import datasets
from statsmodels_mixed.errors import MixedModelWarning

HERE = Path(__file__).parents[1] / "reference" / "families"
AFTER = json.loads((HERE / "after_fits.json").read_text())
LEVELS = {
    "mined": ["yes", "no"],
    "spp": ["GP", "PR", "DM", "EC-A", "EC-L", "DES-L", "DF"],
    "trt": ["placebo", "progabide"],
}
# Estimates of glmmTMB are right to about so much, relative to the largest of their kind.
CLOSE = 1e-4


def read(name: str) -> pd.DataFrame:
    data = pd.read_csv(HERE / f"{name}.csv")
    if name == "owls":
        data["cArr"] = data["ArrivalTime"] - 24
    return data.assign(
        **{k: pd.Categorical(data[k], v) for k, v in LEVELS.items() if k in data.columns}
    )


@pytest.fixture(scope="module", params=AFTER["records"], ids=lambda record: record["id"])
def record_and_fit(request):
    record = request.param
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        fit = smm.mixedglm2(
            record["formula"], read(record["data"]), record["family"], **record["options"]
        ).fit()
    assert fit.llf == pytest.approx(record["llf"], abs=1e-4)
    return record, fit


def close(found, wanted) -> None:
    wanted = np.asarray(wanted)
    assert_allclose(found, wanted, rtol=0.0, atol=CLOSE * np.abs(wanted).max())


def test_predictions(record_and_fit):
    record, fit = record_and_fit
    for name, wanted in record["predictions"].items():
        which, effects = name.split()
        made = fit.get_prediction(which=which, re=effects == "re")
        means, errors = np.transpose(wanted)
        close(made.predicted_mean[AFTER["rows"]], means)
        close(made.se_mean[AFTER["rows"]], errors)


def test_residuals(record_and_fit):
    record, fit = record_and_fit
    for kind, wanted in record["residuals"].items():
        close(np.asarray(fit.residuals(kind))[AFTER["rows"]], wanted)


def test_marginal_means(record_and_fit):
    record, fit = record_and_fit
    for component, wanted in record["means"].items():
        table = fit.emmeans(record["means_of"], component=component).to_frame()
        means, errors = np.transpose(wanted)
        close(table["estimate"], means)
        assert_allclose(table["std_error"], errors, rtol=3e-4)
    pair = fit.emmeans(record["means_of"]).contrasts("pairwise").to_frame().iloc[0]
    close([abs(pair["estimate"]), pair["std_error"]], record["difference"])


def test_terms_that_are_left_out(record_and_fit):
    record, fit = record_and_fit
    table = fit.drop1()
    for term, statistic in record["dropped"].items():
        assert table.loc[term, "statistic"] == pytest.approx(statistic, abs=1e-5)


# residuals(type = "pearson") of glmmTMB 1.1.5 for cbind(incidence, size - incidence) ~ period +
# (1 | herd) of lme4's cbpp, family betabinomial; its dispersion is 10.8426588078. They are those of
# a binomial of n trials, without the factor (n + phi) / (1 + phi) of the variance.
BETA_BINOMIAL = (-0.625073326638, 1.890511184154, 4.357687173587, -0.553813144321)


@pytest.mark.parametrize("parts", [{}, {"dispersion": "~ 1"}], ids=["plain", "dispersion"])
def test_pearson_residuals_of_trials_have_the_variance_of_beta_binomials(parts):
    cbpp = datasets.load("cbpp").assign(share=lambda d: d["incid"] / d["hsz"])
    formula = "share ~ period + (1 | herd)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        fit = smm.mixedglm2(formula, cbpp, "beta_binomial", weights="hsz", **parts).fit()
    n, phi = cbpp["hsz"].to_numpy(), 10.8426588078
    found = np.asarray(fit.residuals("pearson"))
    close((found * np.sqrt((n + phi) / (1.0 + phi)))[:4], BETA_BINOMIAL)
    spread = fit.simulate(4000, seed=1, re="conditional").std(axis=1)
    assert_allclose(np.median(np.asarray(fit.resid) / found / spread), 1.0, atol=0.01)
