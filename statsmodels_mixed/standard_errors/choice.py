"""The choice of standard errors and degrees of freedom, checked first and made after the fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, cast

import numpy as np

from .._frozen import quickly_made
from .._typing import Array
from ..errors import DataError, OptionError
from ..fitting.estimates import Estimates, GeneralizedEstimates, LinearEstimates
from ..fitting.fixed_effects.basis import OnBasis
from ..frame.design import Design
from ..frame.row_groups import RowGroups
from ..later import load
from . import cluster_robust
from .cluster_scores import scores
from .contrast_tests import FixedContrastTests
from .generalized_covariance import parameter_covariance, variance_slopes
from .kenward_roger import KenwardRoger, prepare_kenward_roger
from .reference import DOF_METHODS, KENWARD_ROGER, MODEL_BASED, Reference, refuse_none_left
from .satterthwaite import prepare_satterthwaite

__all__ = ["Choice", "choose", "population_covariance", "refer", "slopes_and_covariance"]


LINEAR = ("nonrobust", "cluster")
GENERALIZED = ("conditional", "hessian", "cluster")


@quickly_made
@dataclass(frozen=True, eq=False)
class Choice:
    """Standard errors and degrees of freedom that were asked for, and are possible.

    Parameters
    ----------
    dof : {None, "residual", "satterthwaite", "kenward-roger"}
    cov_type : str
    clusters : RowGroups or None
    kind : str
        The correction for few clusters.
    """

    dof: str | None
    cov_type: str
    clusters: RowGroups | None = None
    kind: str = "CR1"

    @property
    def is_default(self) -> bool:
        """Whether it is the default."""
        return self.dof is None and self.cov_type in (LINEAR[0], GENERALIZED[0])

    @property
    def cov_kwds(self) -> dict[str, Any]:
        """The options of the clusters, if there are any."""
        if self.clusters is None:
            return {}
        return {"groups": self.clusters.labels, "kind": self.kind}


def choose(
    dof: str | None,
    cov_type: str | None,
    cov_kwds: Mapping[str, Any] | None,
    *,
    read_clusters: Callable[[Any], RowGroups],
    linear: bool,
    reml: bool = False,
    fast: bool = False,
    default: str = "",
) -> Choice:
    """Check options before a model is fitted.

    Parameters
    ----------
    dof, cov_type, cov_kwds
        As the `fit` of the model has them; None for the default.
    read_clusters : callable
        Makes groups of rows of the labels in `cov_kwds`, independent of one another.
    linear : bool
        Whether the model is linear.
    reml : bool
        Whether a linear model is fitted by REML.
    fast : bool
        Whether the coefficients of a generalized model are profiled out.
    default : str
        Standard errors of its family, if nothing is said and `fast` is not.

    Raises
    ------
    OptionError
        If an option does not exist or options do not go together.
    """
    possible = LINEAR if linear else GENERALIZED
    if cov_type is None:
        cov_type = possible[0] if fast or not default else default
    if cov_type not in possible:
        raise OptionError(f"cov_type must be {' or '.join(possible)}, not {cov_type!r}.")
    if not (dof is None or isinstance(dof, str)) or dof not in DOF_METHODS:
        known = ", ".join(map(repr, DOF_METHODS))
        raise OptionError(f"dof must be one of {known}, not {dof!r}.")
    small_sample = dof in ("satterthwaite", *KENWARD_ROGER)
    if small_sample and not linear:
        raise OptionError(
            f'dof={dof!r} is for linear models: a generalized one has dof=None or "residual".'
        )
    if dof in KENWARD_ROGER and not reml:
        raise OptionError(f'dof="{dof}" needs a fit by REML: pass reml=True.')
    if fast and cov_type != "conditional":
        raise OptionError(
            "fast=True does not maximize the likelihood over the coefficients, so its Hessian "
            f'says nothing about them: leave cov_type="{cov_type}" or fast=True out.'
        )
    if cov_type != "cluster":
        if cov_kwds:
            raise OptionError(f'cov_kwds= goes with cov_type="cluster", not {cov_type!r}.')
        return Choice(dof, cov_type)
    if not isinstance(cov_kwds, Mapping | None):
        raise OptionError(f'cov_kwds= is a dict such as {{"groups": ...}}, not {cov_kwds!r}.')
    if dof in KENWARD_ROGER:
        raise OptionError(
            f'dof="{dof}" adjusts model-based standard errors: with cov_type="cluster" take '
            '"satterthwaite".'
        )
    return _with_clusters(read_clusters, dof, dict(cov_kwds or {}), linear)


def _with_clusters(
    read: Callable[[Any], RowGroups], dof: str | None, options: dict[str, Any], linear: bool
) -> Choice:
    groups, kind = options.pop("groups", None), options.pop("kind", "CR1")
    if options:
        raise OptionError(f"cov_kwds has groups and kind, not {', '.join(options)}.")
    if groups is None:
        raise OptionError('cov_type="cluster" needs cov_kwds={"groups": ...}, the clusters.')
    kinds = [k for k in cluster_robust.KINDS if linear or k not in cluster_robust.ADJUSTED]
    if kind not in kinds:
        raise OptionError(f"kind in cov_kwds must be one of {', '.join(kinds)}, not {kind!r}.")
    return Choice(dof, "cluster", read(groups), kind)


def refer(
    choice: Choice,
    estimates: Estimates,
    *,
    design: Design | None,
    df_resid: float,
) -> Reference:
    """Compute the standard errors and degrees of freedom of a fit that were chosen.

    Parameters
    ----------
    choice : Choice
    estimates : Estimates
        The fit.
    design : Design or None
        Of the fit; None if its data were removed.
    df_resid : float
        Rows minus estimated parameters.

    Raises
    ------
    DataError
        If the data of the fit are needed and were removed.
    OptionError
        If no residual degrees of freedom are left.
    """
    if choice.dof == "residual" and choice.clusters is None:
        refuse_none_left(df_resid)
    return _reference(estimates, choice, _at_estimates(design, estimates), df_resid)


def _at_estimates(design: Design | None, estimates: Estimates) -> Design | None:
    """Return the design with the columns of Z that are functions of parameters."""
    if design is None or not any([block.own_places for block in design.blocks]):
        return design
    placed: Design = load("fitting.structured.own_places:design_at")(
        design, getattr(estimates, "structured", None)
    )
    return placed


def _needed(design: Design | None) -> Design:
    if design is None:
        raise DataError("the data of this result were removed; keep them to ask for this.")
    return design


@singledispatch
def _reference(
    estimates: Estimates, choice: Choice, design: Design | None, df_resid: float
) -> Reference:
    """Return the reference, by the kind of estimates."""
    raise NotImplementedError(type(estimates).__name__)


@_reference.register(LinearEstimates)
def _linear(
    estimates: LinearEstimates, choice: Choice, design: Design | None, df_resid: float
) -> Reference:
    if choice.clusters is not None:
        robust = cluster_robust.prepare_cluster_robust(
            _needed(design), estimates, choice.clusters, choice.kind
        )
        if choice.dof == "satterthwaite":
            fact = cluster_robust.what_clusters_leave(robust, len(choice.clusters), choice.dof)
            name = _robust_name(choice)
            return Reference(robust, choice.dof, "cluster", name, fact, choice.cov_kwds)
        return _fixed(
            choice,
            estimates,
            df_resid,
            robust.covariance,
            _robust_name(choice),
            on_basis=robust.on_basis,
            model_based=robust.model_based,
        )
    if choice.dof == "satterthwaite":
        tests = prepare_satterthwaite(_needed(design), estimates)
        return Reference(tests, choice.dof, choice.cov_type, MODEL_BASED)
    if choice.dof in KENWARD_ROGER:
        linear = choice.dof == "kenward-roger-linear"
        adjusted = _kenward_roger(_needed(design), estimates, linear)
        fact = ""
        if np.any(adjusted.covariance.diagonal() < 0):
            fact = (
                "Kenward and Roger's adjustment makes variances of coefficients negative: these "
                "have no standard error."
            )
        return Reference(adjusted, choice.dof, choice.cov_type, DOF_METHODS[choice.dof], fact)
    return _model_based(choice, estimates, df_resid)


def _kenward_roger(design: Design, estimates: LinearEstimates, linear: bool) -> KenwardRoger:
    if any(block.related is not None for block in design.blocks):
        prepare = load("standard_errors.kenward_roger_related:prepare_kenward_roger_related")
        return cast("KenwardRoger", prepare(design, estimates, linear=linear))
    if any(block.own_places for block in design.blocks):  # they are formed, as residuals are
        prepare = load("standard_errors.kenward_roger_related:prepare_kenward_roger_related")
        whole = load("fitting.structured.own_places:with_all_places")(design)
        return cast("KenwardRoger", prepare(whole, estimates, linear=linear))
    return prepare_kenward_roger(design, estimates, linear=linear)


@_reference.register(GeneralizedEstimates)
def _generalized(
    estimates: GeneralizedEstimates, choice: Choice, design: Design | None, df_resid: float
) -> Reference:
    if choice.cov_type == "conditional":
        return _model_based(choice, estimates, df_resid)
    design = _needed(design)
    everything = parameter_covariance(design, estimates)
    start = estimates.n_covariance
    beta = slice(start, start + len(estimates.beta))
    fact, conditional = "", everything is None
    given_theta = estimates.on_basis or OnBasis.of_covariance(estimates.cov_conditional)
    if everything is None:
        fact = (
            "The Hessian of the objective is not positive definite: standard errors are "
            "conditional on theta instead."
        )
        everything, beta = given_theta, slice(None)
    if choice.clusters is None:
        kept = everything.taken(beta)
        how = "conditional" if conditional else choice.cov_type
        words = MODEL_BASED if conditional else "from the Hessian"
        covariance = estimates.cov_conditional if conditional else kept.covariance
        return _fixed(
            choice, estimates, df_resid, covariance, words, fact, cov_type=how, on_basis=kept
        )
    gradients = scores(design, estimates, choice.clusters)
    gradients = gradients[:, start : start + len(estimates.beta)] if conditional else gradients
    factor = cluster_robust.correction(
        choice.kind, len(choice.clusters), len(design.y), len(estimates.beta)
    )
    robust = cluster_robust.sandwich(everything, gradients, factor).taken(beta)
    return _fixed(
        choice,
        estimates,
        df_resid,
        robust.covariance,
        _robust_name(choice),
        fact,
        on_basis=robust,
        model_based=given_theta,
    )


def population_covariance(
    reference: Reference,
    estimates: Estimates,
    design: Design | None,
    columns: Sequence[Array],
) -> tuple[Array, OnBasis] | None:
    """Return what means over the population of random effects vary with, beside the fit itself.

    Parameters
    ----------
    reference : Reference
        What the tests of the fit refer to.
    estimates : Estimates
    design : Design or None
        Of the fit.
    columns : sequence of ndarray, shape (m, k)
        Columns z of the random effects of each grouping factor.

    Returns
    -------
    slopes : ndarray, shape (m, c)
        Derivatives of z'Sigma z in the c covariance parameters.
    covariance : OnBasis
        Of these and the coefficients, by the Hessian of the objective.
    """
    if estimates.linear or design is None or reference.cov_type == "cluster":
        return None
    return slopes_and_covariance(estimates, _at_estimates(design, estimates) or design, columns)


@singledispatch
def slopes_and_covariance(
    estimates: Estimates, design: Design, columns: Sequence[Array]
) -> tuple[Array, OnBasis] | None:
    """Return the same by class of estimates, None where the likelihood has no regular maximum."""
    return None


@slopes_and_covariance.register(GeneralizedEstimates)
def _population_generalized(
    estimates: GeneralizedEstimates, design: Design, columns: Sequence[Array]
) -> tuple[Array, OnBasis] | None:
    everything = None if estimates.fast else parameter_covariance(design, estimates)
    if everything is None:
        return None
    slopes = variance_slopes(design, estimates, columns)
    kept = slopes.shape[1] + len(estimates.beta)
    return slopes, everything.taken(slice(kept))


def _model_based(
    choice: Choice, estimates: LinearEstimates | GeneralizedEstimates, df_resid: float
) -> Reference:
    """Return the reference of standard errors given theta."""
    return _fixed(
        choice,
        estimates,
        df_resid,
        estimates.cov_conditional,
        MODEL_BASED,
        on_basis=estimates.on_basis,
    )


def _fixed(
    choice: Choice,
    estimates: Estimates,
    df_resid: float,
    covariance: Array,
    errors: str,
    fact: str = "",
    *,
    cov_type: str | None = None,
    on_basis: OnBasis | None = None,
    model_based: OnBasis | None = None,
) -> Reference:
    """Return a reference with the same degrees of freedom for every contrast."""
    degrees = np.inf
    if choice.dof == "residual":
        clusters = choice.clusters
        degrees = float(df_resid if clusters is None else len(clusters) - 1)
    tests = FixedContrastTests(
        estimates.beta, covariance, degrees, on_basis=on_basis, model_based=model_based
    )
    if model_based is not None and choice.clusters is not None:
        left = cluster_robust.what_clusters_leave(tests, len(choice.clusters), choice.dof)
        fact = f"{fact} {left}".strip()
    how = cov_type or choice.cov_type
    return Reference(tests, choice.dof, how, errors, fact, choice.cov_kwds)


def _robust_name(choice: Choice) -> str:
    assert choice.clusters is not None
    return f"{choice.kind}, {len(choice.clusters)} clusters"
