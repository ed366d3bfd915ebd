"""The same fit with other standard errors or degrees of freedom."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from ..standard_errors.choice import Choice, choose, refer
from .base import MixedModelResults, unwrap
from .own_function import own_first
from .row_labels import find_clusters

__all__ = ["referring_to", "with_inference"]


def referring_to(results: MixedModelResults, choice: Choice) -> MixedModelResults:
    """Return a fit whose tests are those of a choice.

    Raises
    ------
    DataError
        If the data of the fit are needed and were removed.
    """
    design = None if results.model.sufficient is None else results.sufficient_design()
    reference = refer(choice, results.estimates, design=design, df_resid=results.df_resid)
    return results._referring_to(reference)


# The class of a fit, as `fit` returns it.
_Fit = TypeVar("_Fit")


@own_first
def with_inference(
    result: _Fit,
    *,
    dof: str | None = None,
    cov_type: str | None = None,
    cov_kwds: Mapping[str, Any] | None = None,
) -> _Fit:
    """Return a fit with other standard errors or degrees of freedom; nothing is fitted again.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit. It does not change.
    dof, cov_type, cov_kwds
        As the `fit` of the model has them, with the same defaults.

    Returns
    -------
    LinearMixedModelResults or GeneralizedLinearMixedModelResults

    Raises
    ------
    OptionError
        If an option does not exist or options do not go together.
    DataError
        If the data of the fit are needed and were removed.

    See Also
    --------
    LinearMixedModel.fit, coefficient_tests

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114. Fai and Cornelius (1996), Journal of
    Statistical Computation and Simulation 54, 363-378. Kenward and Roger (1997), Biometrics 53,
    983-997. Bell and McCaffrey (2002), Survey Methodology 28, 169-181 (CR2).

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.with_inference(dof="satterthwaite").df_coef.round(2).to_dict()
    {'Intercept': 18.0, 'days': 18.0}
    """
    results = unwrap(result)
    estimates = results.estimates
    choice = choose(
        dof,
        cov_type,
        cov_kwds,
        read_clusters=partial(find_clusters, results.model),
        linear=estimates.linear,
        reml=estimates.reml,
        fast=estimates.fast,
        default="" if estimates.linear else estimates.spec.errors,
    )
    labelled: _Fit = results.wrapper(referring_to(results, choice))
    return labelled
