"""What every result of fits with several parts has: coefficients of all parts, and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from ..._typing import Array, Numbers
from ...errors import NotOfferedError
from ...fitting.distributional.estimates import DistributionalEstimates
from ...fitting.distributional.means import NO_ZEROS, mean
from ...fitting.distributional.row_parameters import (
    DISPERSION,
    SECOND_SHAPE,
    SHAPE,
    ZEROS,
    RowParameters,
)
from ...fitting.families.limit_of_dispersion import limit_reached
from ...fitting.families.spec import FamilySpec, family_object
from ...fitting.fixed_effects.basis import OnBasis
from ...frame.design import Design
from ..base import MixedModelResults
from ..criteria import Criteria
from ..fitted_model import FittedModel

__all__ = ["DistributionalFit", "Fit", "ModelOfParts"]

Fit = TypeVar("Fit", bound="DistributionalFit")


class ModelOfParts(FittedModel, Protocol):
    """The model behind such a result.

    Attributes
    ----------
    formulas : mapping of str to str
        Formulas of the other parts, by the option that they were given as.
    matrices : mapping of str to Matrix
        How their columns are made.
    categories, threshold
        Of ordered categories.
    dispersion_sign : float
        -1 where the core has the logarithm of a precision.
    """

    formulas: Mapping[str, str]
    matrices: Mapping[str, Any]
    categories: Any
    threshold: Any
    dispersion_sign: float
    formula_full: Any
    notes: Any
    link_name: str
    _title: str
    _pieces: Mapping[str, tuple[Array, tuple[str, ...]]]

    def _place_of(self, option: str) -> tuple[str, int, float]: ...

    def _rows(self, design: Design) -> RowParameters: ...

    def _thresholds(self, kappa: Array, W: Array) -> Array: ...

    def _probabilities(self, eta: Array, thresholds: Array | None) -> Array: ...


class DistributionalFit(Criteria):
    """Coefficients of the mean and of all other parts, with one covariance matrix.

    Attributes
    ----------
    model : ModelOfParts
    estimates : DistributionalEstimates
    cov_type, cov_kind : str
        Where standard errors come from, as an option and in words.
    cov_fact : str
        A sentence about them for the reader of the summary; empty when there is nothing to say.
    """

    model: ModelOfParts
    estimates: DistributionalEstimates  # type: ignore[assignment]
    cov_type: str
    cov_kind: str
    cov_fact: str = ""
    # The part of the mean, as a fit of its own.
    _mean_part: MixedModelResults
    # The covariance of theta, beta and kappa.
    _on_basis: OnBasis
    # 1 and -1 for parameters that go to infinity and to minus infinity, 0 for all others.
    _infinite: Array

    def __init__(self, model: ModelOfParts, estimates: DistributionalEstimates) -> None:
        self.model, self.estimates, self.layout = model, estimates, model.layout
        self.cov_type, self.cov_kind = "hessian", "from the Hessian of all parameters"
        self._on_basis = estimates.on_basis

    def _changed(self, **attributes: Any) -> Self:
        """Return a copy with other estimates, or with another covariance and its kind."""
        raise NotImplementedError

    def _component(self, name: str) -> Any:
        """Return a part with its columns, its coefficients and their covariance."""
        raise NotImplementedError

    def _with_constant(self) -> Any:
        """Return the predictor of ordered categories with an intercept."""
        raise NotImplementedError

    def _with_columns(self, matrix: Any, X: Array, names: tuple[str, ...]) -> Any:
        """Return the part of the mean as if its model had other columns."""
        raise NotImplementedError

    def _profile_of_coefficients(self, alpha: float) -> pd.DataFrame:
        """Return the intervals of likelihood-ratio tests by name."""
        raise NotImplementedError

    @property
    def _spec(self) -> FamilySpec:
        return self.estimates.conditional.spec

    @property
    def _ordered(self) -> bool:
        return self._spec.family == "ordered"

    @property
    def _order(self) -> NDArray[np.intp]:
        """Places of the coefficients among all parameters, in the order of `params`."""
        ntheta, p = len(self.estimates.conditional.theta), len(self.estimates.conditional.beta)
        beta = np.arange(ntheta, ntheta + p)
        kappa = np.arange(ntheta + p, len(self.estimates.covariance))
        return np.concatenate([kappa, beta] if self._ordered else [beta, kappa])

    @property
    def _names(self) -> list[str]:
        layout, columns = self.model.layout, self.estimates.conditional.columns
        beta, rest = [layout.columns[i] for i in columns], list(self.estimates.rows.names)
        return rest + beta if self._ordered else beta + rest

    @property
    def params(self) -> pd.Series:
        """Coefficients of all parts."""
        e = self.estimates.conditional
        values = np.concatenate([e.theta, e.beta, self.estimates.kappa])
        return pd.Series(values[self._order], index=self._names)

    @property
    def bse(self) -> pd.Series:
        """Standard errors of `params`."""
        with np.errstate(invalid="ignore"):
            return pd.Series(
                np.sqrt(np.diag(self._on_basis.covariance)[self._order]), index=self._names
            )

    @property
    def tvalues(self) -> pd.Series:
        """Estimates over their standard errors."""
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values, of the normal distribution."""
        return pd.Series(2.0 * norm.sf(np.abs(self.tvalues)), index=self._names)

    @property
    def use_t(self) -> bool:
        """False: tests are of the normal distribution."""
        return False

    @property
    def dof(self) -> int:
        """Number of estimated parameters."""
        return len(self.estimates.covariance)

    @property
    def converged(self) -> bool:
        """Whether the fit ended at a maximum."""
        return self.estimates.report.converged

    @property
    def report(self) -> Any:
        """What happened during the fit."""
        return self.estimates.report

    @property
    def theta(self) -> Array:
        """Covariance parameters."""
        return self.estimates.conditional.theta

    @property
    def dispersion(self) -> float | pd.Series:
        """The dispersion as glmmTMB defines it, one per row where a formula models it."""
        if not self._spec.has_dispersion:
            return 1.0
        logs = self.estimates.outer[:, 0] * self.model.dispersion_sign
        values = np.exp(logs)
        return self._by_row(values) if "dispersion" in self.model.formulas else float(values[0])

    def _dispersion_of(self, estimates: DistributionalEstimates) -> float:
        """Return the dispersion of a fit of this model; NaN where rows have their own."""
        if not self._spec.has_dispersion:
            return 1.0
        if "dispersion" in self.model.formulas:
            return float("nan")
        return float(np.exp(estimates.outer[0, 0] * self.model.dispersion_sign))

    @property
    def shape(self) -> dict[str, float]:
        """What else the distribution has: degrees of freedom, power, thresholds."""
        outer = self.estimates.outer[0]
        match self._spec.family:
            case "student_t":
                return {"df": float(np.exp(outer[SHAPE]))}
            case "tweedie":
                return {"power": 1.0 + float(expit(outer[SHAPE]))}
            case "ordered_beta":
                first, distance = float(outer[SHAPE]), float(np.exp(outer[SECOND_SHAPE]))
                return {"first": first, "second": first + distance}
        return {}

    @cached_property
    def _fitted(self) -> Array:
        fitted = mean(self._spec, self.estimates.conditional.eta, self.estimates.outer_at_modes)
        fitted.flags.writeable = False
        return fitted

    @property
    def fittedvalues(self) -> pd.Series:
        """Means at the conditional modes, shape (n,); codes are not predicted."""
        if self._ordered:
            raise NotOfferedError("categories have no fitted mean: take predict().")
        return self._by_row(self._fitted)

    @property
    def resid(self) -> pd.Series:
        """Response minus fitted mean, shape (n,)."""
        return self.model.kept_design().y - self.fittedvalues

    def _by_row(self, values: Numbers) -> pd.Series:
        """Return values of the rows with their labels, as they are if the rows have none."""
        labels = self.model.data.row_labels
        return np.asarray(values) if labels is None else pd.Series(values, index=labels)

    @property
    def _conditional_predictor(self) -> Array:
        return self.estimates.conditional.eta

    @property
    def _zeros(self) -> Array | None:
        """Probability of zeros besides those of the distribution by row, if there is one."""
        if self._spec.zeros != "inflation":
            return None
        return np.asarray(expit(self.estimates.outer_at_modes[:, ZEROS]))

    @property
    def without_zeros(self) -> bool:
        """Whether zero inflation was estimated as none, the edge of its range.

        Examples
        --------
        >>> ticks = datasets.load("grouseticks")
        >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
        >>> model.fit().without_zeros
        False
        """
        return self._zeros is not None and bool(self._zeros.max() < NO_ZEROS)

    @property
    def limit(self) -> str | None:
        """The distribution that a family without overdispersion is, where that was estimated."""
        conditional, family = self.estimates.conditional, self._spec.family
        with np.errstate(over="ignore"):
            mu = np.asarray(family_object(self._spec).link.inverse(conditional.eta))
        trials = self.model.design.weights if self.model.design is not None else None
        return limit_reached(family, self.estimates.outer[:, DISPERSION], mu, trials)

    @property
    def separated(self) -> tuple[str, ...]:
        """Coefficients that have no finite estimate: the response separates along them."""
        found = self._infinite[self._order] != 0
        return tuple(name for name, infinite in zip(self._names, found, strict=True) if infinite)
