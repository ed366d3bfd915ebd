"""The choice of standard errors and degrees of freedom of models with correlated residuals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._core import one_blas_thread
from ..errors import DataError, OptionError
from ..frame.design import Design
from ..frame.row_groups import RowGroups
from ..residual_covariance.estimates import ResidualEstimates
from .between_within import between_within
from .cluster_robust import what_clusters_leave
from .contrast_tests import ContrastTests, FixedContrastTests
from .reference import MODEL_BASED, RESIDUAL_DOF_METHODS, Reference, refuse_none_left
from .residual_robust import KINDS, robust_residual
from .residual_small_samples import (
    INFORMATION,
    kenward_roger_residual,
    satterthwaite_residual,
)

__all__ = ["ResidualChoice", "choose_residual", "refer_residual"]

COVARIANCES = ("nonrobust", "cluster")

# Whose parameters the second derivatives of Kenward and Roger's methods are taken in.
SECOND_ORDER = {"kenward-roger": "sas", "kenward-roger-linear": "", "kenward-roger-mmrm": "mmrm"}


@dataclass(frozen=True, eq=False)
class ResidualChoice:
    """Standard errors and degrees of freedom that were asked for, and are possible.

    Parameters
    ----------
    dof : str or None
    cov_type : {"nonrobust", "cluster"}
    information : {"observed", "expected"}
    clusters : RowGroups or None
    kind : str
    """

    dof: str | None
    cov_type: str
    information: str
    clusters: RowGroups | None = None
    kind: str = "CR0"

    @property
    def is_default(self) -> bool:
        """Whether it is the default."""
        return self.dof is None and self.cov_type == "nonrobust"


def choose_residual(
    dof: str | None,
    cov_type: str | None,
    cov_kwds: Mapping[str, Any] | None,
    information: str,
    *,
    read_clusters: Callable[[Any], RowGroups],
    reml: bool,
) -> ResidualChoice:
    """Check options before a model is fitted.

    Raises
    ------
    OptionError
        If an option does not exist or options do not go together.
    """
    cov_type = cov_type or "nonrobust"
    if cov_type not in COVARIANCES:
        raise OptionError(f"cov_type must be nonrobust or cluster, not {cov_type!r}.")
    if not (dof is None or isinstance(dof, str)) or dof not in RESIDUAL_DOF_METHODS:
        known = ", ".join(map(repr, RESIDUAL_DOF_METHODS))
        raise OptionError(f"dof must be one of {known}, not {dof!r}.")
    if information not in INFORMATION:
        raise OptionError(f"information= is 'observed' or 'expected', not {information!r}.")
    adjusting = dof in SECOND_ORDER
    if adjusting and not reml:
        raise OptionError(f'dof="{dof}" needs a fit by REML: pass reml=True.')
    if cov_type == "nonrobust":
        if cov_kwds:
            raise OptionError("cov_kwds= goes with cov_type=\"cluster\", not 'nonrobust'.")
        return ResidualChoice(dof, cov_type, information)
    if adjusting:
        raise OptionError(
            f'dof="{dof}" adjusts model-based standard errors: with cov_type="cluster" take '
            '"satterthwaite".'
        )
    options = dict(cov_kwds or {})
    groups, kind = options.pop("groups", None), options.pop("kind", "CR0")
    if options:
        raise OptionError(f"cov_kwds has groups and kind, not {', '.join(options)}.")
    if kind not in KINDS:
        raise OptionError(f"kind in cov_kwds must be one of {', '.join(KINDS)}, not {kind!r}.")
    return ResidualChoice(dof, cov_type, information, read_clusters(groups), kind)


def refer_residual(
    choice: ResidualChoice,
    estimates: ResidualEstimates,
    *,
    design: Design | None,
    df_resid: float,
) -> Reference:
    """Compute the standard errors and degrees of freedom that were chosen.

    Raises
    ------
    DataError
        If the data of the fit are needed and were removed.
    """
    if choice.clusters is None and choice.dof in (None, "residual"):
        degrees = np.inf if choice.dof is None else float(df_resid)
        refuse_none_left(degrees)
        tests: ContrastTests = FixedContrastTests(
            estimates.beta, estimates.cov_conditional, degrees, on_basis=estimates.on_basis
        )
        return Reference(tests, choice.dof, choice.cov_type, MODEL_BASED)
    if design is None:
        raise DataError("the data of this result were removed; keep them to ask for this.")
    with one_blas_thread():  # matrices are small, and several threads are slower
        return _refer_to_design(choice, estimates, design)


def _refer_to_design(
    choice: ResidualChoice, estimates: ResidualEstimates, design: Design
) -> Reference:
    if choice.clusters is not None:
        return _robust(choice, estimates, design)
    tests: ContrastTests
    words = MODEL_BASED
    if choice.dof == "between-within":
        X = design.X[:, estimates.columns]
        fixed = FixedContrastTests(
            estimates.beta, estimates.cov_conditional, np.inf, on_basis=estimates.on_basis
        )
        tests = between_within(X, estimates.cells.subject, fixed)
    elif choice.dof == "satterthwaite":
        tests = satterthwaite_residual(design, estimates, choice.information)
    else:
        assert choice.dof is not None
        whose = SECOND_ORDER[choice.dof]
        tests = kenward_roger_residual(design, estimates, choice.information, second_order=whose)
        words = f"Kenward-Roger, {choice.information} information"
    how = choice.information
    return Reference(tests, choice.dof, choice.cov_type, words, information=how)


def _robust(choice: ResidualChoice, estimates: ResidualEstimates, design: Design) -> Reference:
    clusters = choice.clusters
    assert clusters is not None
    tests: ContrastTests = robust_residual(design, estimates, clusters, choice.kind)
    if choice.dof == "between-within":
        X = design.X[:, estimates.columns]
        tests = between_within(X, estimates.cells.subject, tests)
    elif choice.dof != "satterthwaite":
        degrees = np.inf if choice.dof is None else float(len(clusters) - 1)
        tests = FixedContrastTests.of(tests, degrees)
    words = f"{choice.kind}, {len(clusters)} clusters"
    kwds = {"groups": clusters.labels, "kind": choice.kind}
    fact = what_clusters_leave(tests, len(clusters), choice.dof)
    return Reference(tests, choice.dof, "cluster", words, fact, kwds)
