"""Correlated residuals: a trial of 10 000 subjects, whose cost per evaluation is that of 100."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

VISITS = 8


def trial(subjects: int, missing: float) -> pd.DataFrame:
    """Return a simulated trial with two arms and eight visits."""
    rng = np.random.default_rng(7)
    root = np.linalg.cholesky(0.5 + 0.5 * np.eye(VISITS))
    subject = np.repeat(np.arange(subjects), VISITS)
    visit = np.tile(np.arange(VISITS), subjects)
    noise = rng.standard_normal((subjects, VISITS)) @ root.T
    table = pd.DataFrame({"subject": subject, "visit": visit})
    table["arm"] = np.where(subject % 2 == 0, "a", "b")
    table["y"] = 0.1 * visit + noise.ravel()
    return table[rng.uniform(size=len(table)) >= missing]


@pytest.mark.benchmark(group="correlated residuals")
@pytest.mark.parametrize("missing", [0.0, 0.15], ids=["complete", "with gaps"])
@pytest.mark.parametrize("subjects", [100, 10_000])
def test_unstructured(benchmark, subjects, missing):
    formula, residual = "y ~ arm * C(visit)", "us(visit | subject)"
    model = smf.mixedlm2(formula, trial(subjects, missing), residual=residual)
    result = benchmark(model.fit, reml=True)
    assert result.converged
    # Standard errors of variances of 1 are about sqrt(2 / subjects).
    variances = np.diag(result.residual_covariance)
    assert_allclose(variances, 1.0, atol=6.0 * np.sqrt(2.0 / subjects))
    benchmark.extra_info["evaluations"] = result.report.evaluations


@pytest.mark.benchmark(group="correlated residuals")
def test_a_trial_with_its_summary(benchmark):
    # As large as the example of the R package mmrm: 200 subjects, 4 visits, a third missing.
    table = trial(200, 0.33)
    table = table[table["visit"] < 4]
    residual = "us(visit | subject)"
    model = smf.mixedlm2("y ~ arm * C(visit)", table, residual=residual)

    def fit_and_show():
        fit = model.fit(reml=True)
        return fit, fit.summary().as_text()

    fit, text = benchmark(fit_and_show)
    assert fit.converged
    assert "sd[3]" in text
    assert_allclose(np.diag(fit.residual_covariance), 1.0, atol=6.0 * np.sqrt(2.0 / 130))


@pytest.mark.benchmark(group="correlated residuals")
def test_influence_of_subjects(benchmark):
    model = smf.mixedlm2("y ~ arm", trial(100, 0.15), residual="ar1(visit | subject)")
    fit = model.fit()
    found = benchmark(fit.influence, "subject")
    assert found.converged.all()
    assert found.params.shape == (100, 2)


@pytest.mark.benchmark(group="correlated residuals")
def test_profile(benchmark):
    fit = smf.mixedlm2("y ~ arm", trial(100, 0.15), residual="ar1(visit | subject)").fit()
    limits = benchmark(fit.profile).conf_int()
    assert (limits["lower"] < limits["estimate"]).all()
    assert (limits["estimate"] < limits["upper"]).all()


@pytest.mark.benchmark(group="correlated residuals")
@pytest.mark.parametrize("kind", ["cs", "ar1", "toep"])
def test_kenward_roger(benchmark, kind):
    table = trial(200, 0.15)
    model = smf.mixedlm2("y ~ arm * C(visit)", table, residual=f"{kind}(visit | subject)")
    result = benchmark(model.fit, reml=True, dof="kenward-roger")
    assert result.converged
