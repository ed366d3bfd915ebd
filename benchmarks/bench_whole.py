"""Stage 5: the whole call, as a user makes it; and the same model by `smf.mixedlm`."""

from __future__ import annotations

import warnings

import pytest
import statsmodels.formula.api as smf
from cases import CASES
from numpy.testing import assert_allclose

from statsmodels_mixed import IdentificationWarning, SingularFitWarning

OLD = [case for case in CASES if case.old is not None]


def test_whole_call(benchmark, case, report):
    data = case.frame()

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            warnings.simplefilter("ignore", IdentificationWarning)
            return smf.mixedlm2(case.formula, data, **case.options).fit()

    result = benchmark(run)
    assert result.converged
    assert result.objective <= case.objective + 1e-6
    assert_allclose(result.objective, case.objective, rtol=1e-7)
    report(result.report.evaluations)


@pytest.mark.benchmark(group="statsmodels MixedLM")
@pytest.mark.parametrize("old", OLD, ids=lambda case: case.name)
def test_statsmodels_mixedlm(benchmark, old):
    data = old.frame()

    def run():
        with warnings.catch_warnings():
            # It warns of boundaries and of its optimizers, some of which fail.
            warnings.simplefilter("ignore")
            return smf.mixedlm(data=data, **old.old).fit(reml=False)

    result = benchmark(run)
    benchmark.extra_info["above"] = float(-2 * result.llf - old.objective)
    assert_allclose(-2 * result.llf, old.objective, rtol=1e-3)
