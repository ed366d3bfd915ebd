"""Profile likelihood: every parameter held fixed in turn, the others optimized.

zeta is the signed root of the rise in the deviance. Each parameter is moved away from its
estimate in steps of about equal zeta; the optimum at one value, moved along its tangent,
is where the search for the next begins. Between two points others are added until interpolation is
exact. Deviances are those of maximum likelihood, also for a model fitted by REML, which has no
likelihood of its coefficients.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, singledispatch
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from .._core import one_blas_thread
from .._typing import Array
from ..errors import (
    CoreError,
    IdentificationWarning,
    MixedModelError,
    MixedModelWarning,
    OptionError,
    warn_caller,
)
from ..fitting.estimates import Estimates, GeneralizedEstimates, LinearEstimates
from ..plots.profile_plots import ProfilePlots
from ..residual_covariance.estimates import ResidualEstimates
from ..results.base import unwrap
from ..results.not_identified import hide, not_identified, warn_not_identified
from ..results.own_function import own_first
from ..results.parameters import (
    KINDS,
    CovarianceParameters,
    parameter_index,
    quantile_levels,
    select_kinds,
)
from ..results.progress import Progress
from ..tables.document import Document
from ..tables.shown import Shown, table_of
from .curve import Curve
from .generalized import GeneralizedModel
from .linear import LinearModel
from .optima import Optima
from .path import trace
from .residual import ResidualModel
from .structured import StructuredGeneralizedModel, StructuredLinearModel
from .targets import Model, wanted_targets

__all__ = ["Profile", "coefficient_intervals", "profile"]


@dataclass(frozen=True, eq=False)
class Profile(Shown):
    """Profiles of the parameters of a fit.

    Parameters
    ----------
    formula : str
        The model.
    level : float
        Largest level of confidence the points are meant for.
    curves : tuple of Curve
        One for each parameter that the data determine.
    optima : tuple of Optima
        For each curve all parameters at every point.
    scale_name : str
        ``"sigma"`` or ``"dispersion"``; empty for a family without one.
    fixed_names : tuple of str
        Names of the estimable coefficients.
    components : CovarianceParameters
        Names of the covariance parameters.
    not_identified : tuple of (str, str)
        Kind and name of parameters that have no curve, because they or their standard error
        depend on what the data do not determine.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> profile = fit.profile("beta")
    >>> profile.frame.loc[("beta", "days"), [("zeta", ""), ("value", "")]].shape[1]
    2
    """

    formula: str
    level: float
    curves: tuple[Curve, ...]
    optima: tuple[Optima, ...]
    scale_name: str
    fixed_names: tuple[str, ...]
    components: CovarianceParameters
    not_identified: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        points = sum(len(curve.value) for curve in self.curves)
        return f"<Profile: {self.formula}; {len(self.curves)} parameters, {points} points>"

    def _document(self) -> Document:
        alpha = max(0.05, 1.0 - self.level)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixedModelWarning)  # limits that are NaN are shown
            table = self.conf_int(alpha)
        title = f"{100 * (1.0 - alpha):g} % profile intervals"
        return Document(f"Profile of {self.formula}", [table_of(table, title=title)])

    def __getitem__(self, label: tuple[str, str]) -> Curve:
        """Return the curve of a parameter, given by kind and name."""
        for curve in self.curves:
            if (curve.kind, curve.name) == label:
                return curve
        if label in self.not_identified:
            raise OptionError(
                f"{label!r} has no profile: it depends on covariance parameters that the data do "
                "not determine."
            )
        known = ", ".join(repr((curve.kind, curve.name)) for curve in self.curves)
        raise OptionError(f"there is no profile of {label!r}; there are {known}.")

    @property
    def plot(self) -> ProfilePlots:
        """Plots of the profiles: `plot()`, `plot.zeta()` and `plot.density()`."""
        return ProfilePlots(self)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each point of each curve.

        The index is kind and name of the parameter held fixed and the number of the point;
        the columns, by kind and name, are ``zeta``, ``value`` (of that parameter) and all
        parameters of the model at the optimum.
        """
        components, p = self.components, len(self.fixed_names)
        width = 3 + p + len(components.theta_names)
        width += len(components.sd_names) + len(components.corr_names)
        rows, index = [np.empty((0, width))], []
        for curve, (scale, beta, theta) in zip(self.curves, self.optima, strict=True):
            deviations = components.deviations(theta, scale if self.scale_name == "sigma" else 1.0)
            columns = np.column_stack([curve.zeta, curve.value, scale])
            correlations = components.correlations(theta)
            rows.append(np.hstack([columns, beta, theta, deviations, correlations]))
            index += [(curve.kind, curve.name, i) for i in range(len(curve.value))]
        labels = [
            ("zeta", ""),
            ("value", ""),
            (self.scale_name or "none", ""),
            *(("beta", name) for name in self.fixed_names),
            *(("theta", name) for name in components.theta_names),
            *(("sd", name) for name in components.sd_names),
            *(("corr", name) for name in components.corr_names),
        ]
        frame = pd.DataFrame(
            np.vstack(rows),
            index=pd.MultiIndex.from_frame(pd.DataFrame(index, columns=["kind", "name", "point"])),
            columns=parameter_index(labels),
        )
        frame = hide(frame, self.not_identified)
        return frame if self.scale_name else frame.drop(columns="none", level="kind")

    def conf_int(
        self, alpha: float = 0.05, kinds: str | Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return confidence intervals.

        Where a parameter reaches a bound before zeta is large enough, such as zero for a
        standard deviation, that bound ends its interval. It ends at infinity where the deviance
        levels off, as for a rate that leaves no correlation. A limit is NaN where the deviance
        could not be minimized far enough away from the estimate; estimate and limits are NaN for
        what the data do not determine.

        Parameters
        ----------
        alpha : float
            Intervals have level 1 - alpha.
        kinds : str or sequence of str, optional
            Some of ``"beta"``, ``"sigma"``, ``"dispersion"``, ``"theta"``, ``"sd"``, ``"corr"``.

        Returns
        -------
        DataFrame
            By kind and name: ``estimate`` (by maximum likelihood), ``lower``, ``upper``.

        Raises
        ------
        OptionError
            If the profile is not of so high a level.

        Warns
        -----
        MixedModelWarning
            Some limits are NaN; an `IdentificationWarning` if the data do not determine them.

        See Also
        --------
        Bootstrap.conf_int

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.profile().conf_int(kinds=["beta", "sd"]).round(2)
                             estimate   lower   upper
        kind name
        beta Intercept         251.41  231.99  270.82
             days               10.47    8.89   12.05
        sd   subj.Intercept     36.01   26.01   52.94
        """
        quantile_levels(alpha)
        zeta = float(norm.isf(alpha / 2))
        profiled = [(curve.kind, curve.name) for curve in self.curves] + [*self.not_identified]
        present = [kind for kind in KINDS if any(label[0] == kind for label in profiled)]
        wanted = select_kinds(kinds, present)
        rows, labels, unknown = [], [], []
        for kind in wanted:
            for curve in self.curves:
                if curve.kind == kind:
                    labels.append((curve.kind, curve.name))
                    short = [curve.is_short_of(side) for side in (-zeta, zeta)]
                    if any(short):
                        unknown.append(f"{curve.kind} {curve.name}")
                    limits = [
                        math.nan if missing else curve.value_at(side)
                        for missing, side in zip(short, (-zeta, zeta), strict=True)
                    ]
                    rows.append((curve.estimate, *limits))
        if unknown:
            separates = any(curve.infinite for curve in self.curves)
            advice = "" if separates else "; consider bootstrap intervals"
            warn_caller(
                f"the deviance could not be minimized far enough from {', '.join(unknown)}: "
                f"limits there are NaN{advice}.",
                MixedModelWarning,
            )
        lost = [label for label in self.not_identified if label[0] in wanted]
        warn_not_identified(lost, "profile intervals")
        labels += lost
        rows += [(math.nan, math.nan, math.nan)] * len(lost)
        order = sorted(range(len(labels)), key=lambda at: wanted.index(labels[at][0]))
        rows, labels = [rows[at] for at in order], [labels[at] for at in order]
        columns = ["estimate", "lower", "upper"]
        return pd.DataFrame(rows, index=parameter_index(labels), columns=columns)


@own_first
def profile(
    result: Any,
    kinds: str | Sequence[str] | None = None,
    *,
    level: float = 0.999,
    progress: bool | None = None,
) -> Profile:
    """Profile the likelihood of a fitted model.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data. After a fit by REML the likelihood is profiled all the
        same, about its own maximum; for a generalized model it is what was maximized, by
        Laplace's approximation or quadrature.
    kinds : str or sequence of str, optional
        Which parameters: some of ``"beta"``, ``"sigma"`` or ``"dispersion"``, ``"theta"``,
        ``"sd"`` (standard deviations of the random effects), ``"corr"`` (their
        correlations); or single parameters by their names, such as ``"days"``. All by default.
        Of models with covariance structures or correlated residuals ``"theta"`` are the
        parameters that are reported of these: standard deviations, correlations, ranges.
    level : float
        Largest level of confidence of the intervals to be asked for.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm; by default in terminals and
        notebooks, after a second.

    Returns
    -------
    Profile

    Raises
    ------
    OptionError
        If the model has no parameters of a kind or name, or was fitted with ``fast=True``.
    MixedModelError
        If a deviance below that of the fit is found: it was no maximum of the likelihood.

    See Also
    --------
    bootstrap, LinearMixedModelResults.conf_int

    References
    ----------
    Bates and Watts (1988), Nonlinear regression analysis and its applications, chapter 6; lme4's
    `profile`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.profile("sd").conf_int().round(2)
                         estimate  lower  upper
    kind name
    sd   subj.Intercept     36.01  26.01  52.94
    >>> fit.profile("days").conf_int().round(2)
               estimate  lower  upper
    kind name
    beta days     10.47   8.89  12.05
    """
    if not 0 < level < 1:
        raise OptionError(f"level must be between 0 and 1, not {level!r}.")
    result = unwrap(result, correlated=True)
    estimates = result.estimates
    components = CovarianceParameters.as_reported(result)
    fixed_names = tuple(result.layout.columns[i] for i in estimates.columns)
    scale_name = estimates.scale_name
    if estimates.fast:
        raise OptionError("profile() needs a maximum of the likelihood: fit without fast=True.")
    present = {
        "beta": fixed_names,
        scale_name: estimates.scale_estimated,
        "theta": True,
        "sd": components.sd_names,
        "corr": components.corr_names,
    }
    cutoff = float(norm.isf((1 - level) / 2))
    without = not_identified(result)
    with one_blas_thread():
        try:
            model = _model(estimates, result, components)
        except CoreError as error:
            raise MixedModelError(
                "the likelihood cannot be maximized again from the estimates, so that there is "
                "nothing to profile from; look at `converged`, `report` and check() of the fit."
            ) from error
        known = [kind for kind in KINDS if present.get(kind)]
        targets = wanted_targets(model, kinds, known, fixed_names)
        lost = [(each.kind, each.name) for each in targets if (each.kind, each.name) in without]
        targets = [each for each in targets if (each.kind, each.name) not in without]
        traced = []
        with Progress("profile", len(targets), progress, unit="parameter") as shown:
            for target in targets:
                traced.append(trace(model, target, cutoff))
                shown.update(1)
    return Profile(
        formula=getattr(result.model, "formula_full", result.layout.response),
        level=level,
        curves=tuple(curve for curve, _ in traced),
        optima=tuple(optima for _, optima in traced),
        scale_name=scale_name,
        fixed_names=fixed_names,
        components=components,
        not_identified=tuple(lost),
    )


@singledispatch
def _model(estimates: Estimates, result: Any, components: CovarianceParameters) -> Model:
    """Return what is profiled, by the kind of estimates."""
    raise NotImplementedError(type(estimates).__name__)


@_model.register(LinearEstimates)
def _(estimates: LinearEstimates, result: Any, components: CovarianceParameters) -> Model:
    if estimates.structured is not None:
        return StructuredLinearModel(result.sufficient_design(), estimates)
    return LinearModel(result.sufficient_design(), estimates, components)


@_model.register(GeneralizedEstimates)
def _(estimates: GeneralizedEstimates, result: Any, components: CovarianceParameters) -> Model:
    if estimates.structured is not None:
        sign = result.separation.sign
        return StructuredGeneralizedModel(result.kept_design(), estimates, sign)
    return GeneralizedModel(result.kept_design(), estimates, components, result.separation.sign)


@_model.register(ResidualEstimates)
def _(estimates: ResidualEstimates, result: Any, components: CovarianceParameters) -> Model:
    return ResidualModel(result.kept_design(), estimates)


def coefficient_intervals(result: Any, alpha: float) -> Array:
    """Return profile intervals of the estimable coefficients at level 1 - alpha, (rank, 2)."""
    if not len(result.estimates.beta):
        return np.empty((0, 2))
    profiled = profile(result, "beta", level=max(0.999, 1 - alpha))
    names = [("beta", result.layout.columns[i]) for i in result.estimates.columns]
    with warnings.catch_warnings():  # of what the fit has said
        warnings.simplefilter("ignore", IdentificationWarning)
        limits = profiled.conf_int(alpha)[["lower", "upper"]].loc[names]
    return np.array(limits, dtype=float)
