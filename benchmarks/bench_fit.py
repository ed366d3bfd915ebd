"""Stage 4: the fit alone. From the default start in C, and with what Python adds to it."""

from __future__ import annotations

from numpy.testing import assert_allclose

from statsmodels_mixed.fitting.crossprod import form_crossproducts
from statsmodels_mixed.fitting.linear.fit import fit_linear
from statsmodels_mixed.fitting.search.optimize import FitOptions

# No fit may end this far above the answer.
ABOVE = 1e-6


def check(objective, case):
    assert objective <= case.objective + ABOVE
    assert_allclose(objective, case.objective, rtol=1e-7)


def test_fit_in_C(benchmark, case, report):
    products = form_crossproducts(case.design())
    products.set_criterion(False, None)
    start = products.workspace.identity()

    run = benchmark(products.workspace.minimize, start, FitOptions())
    check(run.value + products.constant(reml=False), case)
    report(run.evaluations)


def test_fit_linear(benchmark, case, report):
    estimates = benchmark(fit_linear, case.design())
    check(estimates.objective, case)
    report(estimates.report.evaluations)
