"""A search that ends at the end of a range of few rows is followed by others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_structured_study import test_random_model as check_random_model

from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed.errors import SingularFitWarning
from statsmodels_mixed.fitting.crossproduct_criterion import CrossproductCriterion
from statsmodels_mixed.fitting.structured.covariance_model import CovarianceModel
from statsmodels_mixed.fitting.structured.linear import column_sizes
from statsmodels_mixed.fitting.structured.objective import StructuredObjective


def test_no_search_ends_below_a_fit_without_residual_variance():
    # It ended .277 above a minimum at which an ar1() has a correlation of -1.
    check_random_model(107)


def test_inner_minima_are_not_searched_again():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 8), "t": np.tile(np.arange(4), 40)})
    root = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(range(4), range(4))))
    effects = 2.0 * rng.normal(size=(20, 4)) @ root.T
    data["y"] = effects[data["g"], data["t"]] + rng.normal(size=160)
    assert mixedlm2("y ~ 1 + ar1(0 + t | g)", data).fit().report.evaluations < 60


def test_effects_that_others_take_over_are_tried_again() -> None:
    """A search ended .668 lower, without the intercepts, whose place long correlations took.

    glmmTMB 1.1.5: glmmTMB(distance ~ age * Sex + (1 | Subject) + ar1(0 + factor(age) | Subject),
    Orthodont, REML = TRUE), which ends at rho = -.999999.
    """
    data = datasets.load("orthodont")
    formula = "distance ~ age * sex + (1 | subject) + ar1(0 + age | subject)"
    with pytest.warns(SingularFitWarning):
        fit = mixedlm2(formula, data).fit(reml=True)
    assert fit.converged
    assert fit.llf == pytest.approx(-216.02661038, rel=1e-8)
    intercepts, serial, rho = fit.covariance_structures["estimate"]
    assert (intercepts, serial) == pytest.approx((1.836382, 0.466816), rel=1e-4)
    assert rho == pytest.approx(-1.0, abs=1e-6)
    assert fit.report.evaluations < 200


def test_matern_ranges_have_no_end() -> None:
    """Smoothness near zero, a range beyond all distances and no residual variance.

    glmmTMB 1.1.5 ends at smoothness e^-3.91 and range e^32 with -839.41251485:
    glmmTMB(angle ~ recipe * temperature + mat(0 + numFactor(temp) | recipe:replicate), cake).
    """
    cake = datasets.load("cake")
    fit = mixedlm2("angle ~ recipe * temperature + mat(0 + temp | recipe:replicate)", cake).fit(
        reml=False
    )
    assert fit.converged
    assert fit.llf > -839.41251485
    assert fit.report.evaluations < 400


def test_searches_end_where_no_lower_minimum_is_promised() -> None:
    """Thirteen others that led to no lower minimum made 228 evaluations of it."""
    cake = datasets.load("cake")
    formula = "angle ~ recipe * temperature + had(0 + temp | recipe:replicate)"
    with pytest.warns(SingularFitWarning):
        fit = mixedlm2(formula, cake).fit(reml=False)
    assert fit.converged
    assert fit.report.evaluations < 180


def test_a_search_may_try_a_residual_variance_that_is_no_number():
    # sigma^2 of exp(909) is no number; with SciPy 1.14 a search for had() came by.
    model = mixedlm2("reaction ~ days + cs(0 + C(days) | subj)", datasets.load("sleepstudy"))
    design = model.kept_design()
    structures = CovarianceModel(design)
    criterion = CrossproductCriterion.of(design, reml=True, sigma=None)
    objective = StructuredObjective.of(criterion, structures, column_sizes(design))
    z = np.append(np.full(structures.size, 0.1), 909.0)
    assert np.isfinite(objective.theta(z)[0]).all()
