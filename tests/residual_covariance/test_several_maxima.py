"""Random effects beside unequal variances: they may be those of any stratum that has few others."""

from __future__ import annotations

import pytest

from statsmodels_mixed import datasets, mixedlm2

# nlme 3.1.162, of any start: lme(score ~ Machine, Machines, ~1 | Worker,
# weights = varIdent(form = ~1 | Machine)); glmmTMB 1.1.5 has the same by REML. A search that began
# at the sizes of residuals ended 4.5 and 4.3 lower, with the workers of machine A.
LME = {True: (-133.3796845346, 4.371633, 3.523317), False: (-136.7603357983, 3.985311, 3.414833)}
RATIOS = {True: (1.587179, 0.1988186), False: (1.590691, 0.2059606)}


@pytest.mark.parametrize("reml", [True, False])
def test_the_highest_maximum_is_found(reml: bool) -> None:
    data = datasets.load("machines")
    model = mixedlm2("score ~ machine + (1 | worker)", data, dispersion="~ machine")
    fit = model.fit(reml=reml)
    llf, worker, residual = LME[reml]
    assert fit.converged
    assert fit.llf == pytest.approx(llf, rel=1e-10)
    found = dict(zip(fit.estimates.natural.names, fit.estimates.natural.values, strict=True))
    assert found["worker.sd[Intercept]"] == pytest.approx(worker, rel=1e-5)
    assert found["Residual.sd"] == pytest.approx(residual, rel=1e-5)
    ratios = [found[f"dispersion.machine[T.{name}]"] for name in "BC"]
    assert ratios == pytest.approx(RATIOS[reml], rel=1e-5)
    assert fit.report.evaluations < 60


def test_many_rows_are_searched_once() -> None:
    data = datasets.load("machines")
    data = data.loc[data.index.repeat(5)].reset_index(drop=True)
    model = mixedlm2("score ~ machine + (1 | worker)", data, dispersion="~ machine")
    assert len(model.problem.starts()) == 1
