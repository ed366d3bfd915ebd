"""What the part of the mean of a fit answers as a fit of its own does."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ...fitting.distributional.problem import RowProblem  # noqa: F401 - registers itself
from ...options import ChecksOptions
from ...results.distributional.separation import (
    infinite_parameters,
    tests_of_coefficients,
)
from ...standard_errors import row_parameter_population  # noqa: F401 - registers itself
from ...standard_errors.reference import Reference
from ..generalized.results import GeneralizedLinearMixedModelResults

if TYPE_CHECKING:
    from ..._typing import Array
    from ...fitting.fixed_effects.basis import OnBasis
    from .results import DistributionalResults

__all__ = ["MeanPart", "of_mean", "part_of_mean", "reference_of"]


def of_mean(name: str) -> Any:
    """Return the method or the property that asks the part of the mean.

    Parameters
    ----------
    name : str
        What other generalized models call it.
    """
    found = getattr(GeneralizedLinearMixedModelResults, name)
    if not callable(found):

        def look(self: Any) -> Any:
            return getattr(self._mean_part, name)

        look.__doc__ = found.__doc__
        return property(look)

    @wraps(found)
    def ask(self: Any, *args: Any, **kwargs: Any) -> Any:
        return found(self._mean_part, *args, **kwargs)

    return ask


class MeanPart(ChecksOptions):
    """The random effects and the matrices of the part of the mean.

    Standard errors are those of `cov_params`, which know that the other parts are estimated.
    """

    def _note_infinite(self: Any) -> None:
        """Find parameters without a finite estimate, which have no covariance."""
        self._infinite = infinite_parameters(self)
        if self._infinite.any():
            self._on_basis = self._on_basis.without(self._infinite != 0)
            self._mean_part = part_of_mean(self)

    # Random effects.
    varcorr = of_mean("varcorr")
    cov_re = of_mean("cov_re")
    ranef = of_mean("ranef")
    random_effects = of_mean("random_effects")
    raneftables = of_mean("raneftables")
    condvar = of_mean("condvar")
    coef_by_group = of_mean("coef_by_group")
    re_pca = of_mean("re_pca")
    PCA = of_mean("PCA")
    sigmas = of_mean("sigmas")
    sigmarhos = of_mean("sigmarhos")
    theta_names = of_mean("theta_names")
    lambda_ = of_mean("lambda_")
    lowerbd = of_mean("lowerbd")
    issingular = of_mean("issingular")
    b = of_mean("b")
    u = of_mean("u")

    # Columns and coefficients of the mean.
    X = of_mean("X")
    y = of_mean("y")
    fixef = of_mean("fixef")
    fixefnames = of_mean("fixefnames")
    columns_dropped = of_mean("columns_dropped")
    n_dropped = of_mean("n_dropped")
    kept_design = of_mean("kept_design")
    k_constant = of_mean("k_constant")
    vif = of_mean("vif")
    wald_test_terms = of_mean("wald_test_terms")
    t_test_pairwise = of_mean("t_test_pairwise")
    mundlak_test = of_mean("mundlak_test")
    hausman_test = of_mean("hausman_test")
    beta = of_mean("beta")
    betas = of_mean("betas")
    coef = of_mean("coef")
    coefnames = of_mean("coefnames")

    # How it was fitted.
    method = of_mean("method")
    family = of_mean("family")
    optsum = of_mean("optsum")
    objective = of_mean("objective")


def part_of_mean(fit: DistributionalResults) -> GeneralizedLinearMixedModelResults:
    """Return the part of the mean, with the covariance that its coefficients have beside others.

    Parameters
    ----------
    fit : DistributionalResults
    """
    mean, data = fit.estimates.conditional, fit.model.data
    if len(mean.beta) < len(fit.model.layout.columns) and data.estimability is None:
        data.keep_columns(mean.columns, fit.model.kept_design().X)
    own = slice(len(mean.theta), len(mean.theta) + len(mean.beta))
    part = GeneralizedLinearMixedModelResults(fit.model, mean, fit.model.layout)
    return part._referring_to(reference_of(fit, mean.beta, fit._on_basis.taken(own)))


def reference_of(fit: DistributionalResults, beta: Array, covariance: OnBasis) -> Reference:
    """Return what tests of the coefficients of a part refer to.

    Parameters
    ----------
    fit : DistributionalResults
    beta : ndarray, shape (rank,)
    covariance : OnBasis
    """
    words = "from the Hessian" if fit.cov_type == "hessian" else fit.cov_kind
    tests = tests_of_coefficients(beta, covariance)
    return Reference(tests, None, fit.cov_type, words, fit.cov_fact)
