"""Standard errors of fits with parameters of rows: from the Hessian, or robust by clusters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import OptionError
from ...standard_errors.choice import Choice, choose
from ...standard_errors.cluster_robust import too_few
from ...standard_errors.row_parameter_clusters import cluster_covariance
from ..row_labels import find_clusters

if TYPE_CHECKING:
    from ..fitted_model import FittedModel
    from .base import Fit

__all__ = ["choice_of", "with_choice", "with_inference"]

_KINDS = ("hessian", "cluster")


def choice_of(model: FittedModel, cov_type: str, cov_kwds: Mapping[str, Any] | None) -> Choice:
    """Check the options of standard errors.

    Parameters
    ----------
    model : DistributionalMixedModel
    cov_type, cov_kwds
        As in `fit`.

    Raises
    ------
    OptionError
        If one is not possible.
    """
    if cov_type not in _KINDS:
        raise OptionError(f"cov_type must be {' or '.join(_KINDS)}, not {cov_type!r}.")
    return choose(
        None, cov_type, cov_kwds, read_clusters=partial(find_clusters, model), linear=False
    )


def with_choice(fit: Fit, choice: Choice) -> Fit:
    """Return a fit with the standard errors that were chosen.

    Parameters
    ----------
    fit : DistributionalResults
    choice : Choice
    """
    covariance, words = fit.estimates.on_basis, "from the Hessian of all parameters"
    fact = ""
    if choice.clusters is not None:
        covariance = cluster_covariance(
            fit.model.kept_design(), fit.estimates, choice.clusters, choice.kind
        )
        words = f"cluster-robust ({choice.kind}, {len(choice.clusters)} clusters)"
        fact = too_few(len(choice.clusters), len(fit.params))
    return fit._changed(
        cov_type=choice.cov_type,
        cov_kind=words,
        cov_fact=fact,
        _on_basis=covariance.without(fit._infinite != 0),
    )


def with_inference(
    self: Fit,
    *,
    cov_type: str = "hessian",
    cov_kwds: Mapping[str, Any] | None = None,
) -> Fit:
    """Return the fit with other standard errors; nothing is fitted again.

    Parameters
    ----------
    cov_type : {"hessian", "cluster"}
        From the Hessian of all parameters, or robust to dependence within clusters, which must
        hold the levels of all grouping factors whole.
    cov_kwds : dict, optional
        For clusters: ``"groups"``, a column or labels of the rows, and ``"kind"``, one of
        ``"CR0"``, ``"CR1"`` (the default) and ``"CR1S"``.

    Returns
    -------
    DistributionalResults

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.cov_params

    References
    ----------
    White (1982), Econometrica 50, 1-25.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> robust = model.fit().with_inference(cov_type="cluster", cov_kwds={"groups": "brood"})
    >>> robust.bse.round(2).to_dict()
    {'Intercept': 0.17, 'zi: Intercept': 0.61}
    """
    return with_choice(self, choice_of(self.model, cov_type, cov_kwds))
