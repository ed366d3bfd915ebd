"""The same model fitted to another response."""

from __future__ import annotations

from typing import TypeVar

from numpy.typing import ArrayLike

from ..results.base import unwrap
from ..results.own_function import own_first

__all__ = ["refit"]


# The class of a fit, as `fit` returns it.
_Fit = TypeVar("_Fit")


@own_first
def refit(result: _Fit, y: ArrayLike) -> _Fit:
    """Fit the model of a result to another response, as it was fitted.

    The criterion or approximation, standard errors and degrees of freedom are those of the
    result; the fit starts at its parameters, unless it is singular. The structure of the model is
    analysed with the first such fit and kept for others, by this result and by the new ones.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data. It does not change.
    y : array_like, shape (nobs,) or (nobs, 1)
        A response for each row used, as `simulate` gives it: for a binomial family
        proportions of the trials. A Series is taken by its index.

    Returns
    -------
    LinearMixedModelResults or GeneralizedLinearMixedModelResults

    Raises
    ------
    OptionError
        If y has not one finite number for each row.
    DataError
        If the data of the result were removed, or no such model can be fitted to y.

    See Also
    --------
    simulate, bootstrap

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> other = fit.refit(fit.simulate(seed=1))
    >>> other.params.round(2).to_dict()
    {'Intercept': 246.97, 'days': 10.04}
    """
    results = unwrap(result, correlated=True)
    model = results.model.with_response(y)
    reference = results.reference
    options = {"dof": reference.dof, "cov_type": reference.cov_type}
    if reference.cov_kwds:
        options["cov_kwds"] = dict(reference.cov_kwds)
    fitted: _Fit = model.fit(**results._fit_options(), **options)
    return fitted
