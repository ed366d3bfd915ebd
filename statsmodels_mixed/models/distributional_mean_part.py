"""What the part of the mean of a fit answers as a fit of its own does."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ..fitting.row_problem import RowProblem  # noqa: F401 - registers itself
from ..standard_errors.contrast_tests import FixedContrastTests
from ..standard_errors.reference import Reference
from .generalized_results import GeneralizedLinearMixedModelResults

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults

__all__ = ["MeanPart", "OfMean", "part_of_mean"]


class OfMean:
    """An attribute or a method that is that of the part of the mean."""

    def __set_name__(self, owner: type, name: str) -> None:
        """Note what is asked for."""
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        """Return what the part of the mean has; of the class what it would be asked for."""
        if instance is not None:
            return getattr(instance._mean_part, self._name)
        found = getattr(GeneralizedLinearMixedModelResults, self._name)
        if not callable(found):
            return found

        @wraps(found)
        def ask(fit: Any, *args: Any, **kwargs: Any) -> Any:
            return found(fit._mean_part, *args, **kwargs)

        return ask


class MeanPart:
    """The random effects and the matrices of the part of the mean.

    Standard errors are those of `cov_params`, which know that the other parts are estimated.
    """

    _mean_part: GeneralizedLinearMixedModelResults

    # Random effects.
    varcorr = OfMean()
    cov_re = OfMean()
    ranef = OfMean()
    random_effects = OfMean()
    raneftables = OfMean()
    condvar = OfMean()
    coef_by_group = OfMean()
    re_pca = OfMean()
    PCA = OfMean()
    sigmas = OfMean()
    sigmarhos = OfMean()
    theta_names = OfMean()
    lambda_ = OfMean()
    lowerbd = OfMean()
    issingular = OfMean()
    b = OfMean()
    u = OfMean()

    # Columns and coefficients of the mean.
    X = OfMean()
    y = OfMean()
    fixef = OfMean()
    fixefnames = OfMean()
    columns_dropped = OfMean()
    n_dropped = OfMean()
    kept_design = OfMean()
    layout = OfMean()
    k_constant = OfMean()
    vif = OfMean()
    wald_test_terms = OfMean()
    emtrends = OfMean()
    t_test_pairwise = OfMean()


def part_of_mean(fit: DistributionalResults) -> GeneralizedLinearMixedModelResults:
    """Return the part of the mean, with the covariance that its coefficients have beside others.

    Parameters
    ----------
    fit : DistributionalResults
    """
    mean = fit.estimates.conditional
    own = slice(len(mean.theta), len(mean.theta) + len(mean.beta))
    words = "from the Hessian" if fit.cov_type == "hessian" else fit.cov_kind
    tests = FixedContrastTests(mean.beta, fit._covariance[own, own], float("inf"))
    part = GeneralizedLinearMixedModelResults(fit.model, mean, fit.model.layout)
    return part._referring_to(Reference(tests, None, fit.cov_type, words))
