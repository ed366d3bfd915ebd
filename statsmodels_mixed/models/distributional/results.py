"""The fit of a model whose rows have parameters besides their mean."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from patsy import EvalEnvironment
from scipy.special import expit
from scipy.stats import norm

from ..._typing import Array
from ...errors import NotOfferedError, OptionError
from ...fitting.distributional import DistributionalEstimates
from ...fitting.families import FamilySpec, family_object
from ...fitting.limit_of_dispersion import limit_reached
from ...fitting.row_means import NO_ZEROS, mean
from ...fitting.row_parameters import DISPERSION, SECOND_SHAPE, SHAPE, ZEROS
from ...later import load
from ...results.criteria import Criteria
from ...saved import save_fit as _save_fit
from ..generalized_results import GeneralizedLinearMixedModelResults
from .components import component_of, with_columns, with_constant
from .mean_part import MeanPart, part_of_mean
from .methods import DistributionalMethods

if TYPE_CHECKING:
    from ...plots.fit_plots import FitPlots
    from .model import DistributionalMixedModel

__all__ = ["DistributionalResults"]


_LISTED = "dir(fit) lists what is"
_INSTEAD = {
    "save": "to_dir(path) saves the fit, and statsmodels_mixed.open(path) reads it",
    "load": "statsmodels_mixed.open(path) reads what to_dir(path) saved",
    "vcov": "write cov_params()",
    "corr": "write cov_params()",
    "stderror": "write bse",
    "deviance": "there is no saturated model; llf, aic and bic compare models",
    "fitlog": "report has what the optimizer did",
}


class DistributionalResults(DistributionalMethods, MeanPart, Criteria):
    """The result of fitting a `DistributionalMixedModel` or an `OrdinalMixedModel`.

    `params` has the coefficients of the mean under their own names and those of the other parts
    with what they belong to: ``"zi: x"`` and ``"hurdle: x"`` on the scale of the logit,
    ``"disp: x"`` on that of the logarithm, ``"shape: ..."`` and ``"cut: ..."``. Those of an ordinal
    model begin with its thresholds. Standard errors are from the Hessian of all parameters.

    Parameters
    ----------
    model : DistributionalMixedModel
    estimates : DistributionalEstimates

    See Also
    --------
    GeneralizedLinearMixedModelResults

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> fit = model.fit()
    >>> round(fit.llf, 2), fit.bse.round(2).to_dict()
    (-1030.69, {'Intercept': 0.16, 'zi: Intercept': 0.59})
    """

    model: DistributionalMixedModel
    estimates: DistributionalEstimates  # type: ignore[assignment]

    # A fit that statsmodels puts no wrapper around; a file may hold it.
    stands_alone: ClassVar[bool] = True
    unit_residuals: ClassVar[bool] = True
    # What functions for other fits say.
    _refusal: ClassVar[str] = (
        "this is not offered for models with formulas of zeros or dispersion, or of families with "
        "thresholds or shapes; the methods that dir(fit) lists are: simulate, anova and others."
    )

    def __init__(self, model: DistributionalMixedModel, estimates: DistributionalEstimates) -> None:
        self.model, self.estimates, self.layout = model, estimates, model.layout
        self.cov_type, self.cov_kind = "hessian", "from the Hessian of all parameters"
        self._covariance = estimates.covariance
        self._mean_part = part_of_mean(self)
        self._note_infinite()

    _component = component_of
    _with_constant = with_constant
    _with_columns = with_columns

    def _changed(self, **attributes: Any) -> Self:
        """Return a copy with other estimates, or with another covariance and its kind."""
        other = copy.copy(self)
        vars(other).pop("fittedvalues", None)  # what may be kept of the estimates
        vars(other).update(attributes)
        other._mean_part = part_of_mean(other)
        return other

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(GeneralizedLinearMixedModelResults, name):
            raise NotOfferedError(
                f"{name} is not offered for models with formulas of zeros or dispersion, or of "
                f"families with thresholds or shapes: {_INSTEAD.get(name, _LISTED)}."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}.")

    # Estimates.

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
            return pd.Series(np.sqrt(np.diag(self.cov_params())), index=self._names)

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
    def dispersion(self) -> float | Array:
        """The dispersion as glmmTMB defines it, one per row where a formula models it."""
        if not self._spec.has_dispersion:
            return 1.0
        logs = self.estimates.outer[:, 0] * self.model.dispersion_sign
        values = np.exp(logs)
        return values if "dispersion" in self.model.formulas else float(values[0])

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
    def fittedvalues(self) -> Array:
        """Means at the conditional modes, shape (n,); codes are not predicted."""
        if self._ordered:
            raise OptionError("categories have no fitted mean: take predict().")
        fitted = mean(self._spec, self.estimates.conditional.eta, self.estimates.outer_at_modes)
        fitted.flags.writeable = False
        return fitted

    @property
    def resid(self) -> Array:
        """Response minus fitted mean, shape (n,)."""
        return self.model.kept_design().y - self.fittedvalues

    @property
    def resid_response(self) -> Array:
        """The same, as statsmodels' GLM has it."""
        return self.resid

    @property
    def resid_pearson(self) -> Array:
        """Residuals over standard deviations of the responses, shape (n,)."""
        return np.asarray(self.residuals("pearson"))

    @property
    def resid_deviance(self) -> Array:
        """Deviance residuals, shape (n,), for families that have them; see `residuals`."""
        return np.asarray(self.residuals("deviance"))

    @property
    def _conditional_predictor(self) -> Array:
        return self.estimates.conditional.eta

    @property
    def plot(self) -> FitPlots:
        """Plots of the fit: `plot.caterpillar()` and others; `plot()` draws four checks."""
        plots: FitPlots = load("plots.fit_plots:FitPlots")(self)
        return plots

    # Other models and responses.

    def update(self, formula: str, data: Any = None, **options: Any) -> DistributionalMixedModel:
        """Return a model with a changed formula, other data or other options.

        Parameters
        ----------
        formula, data, options
            As in `GeneralizedLinearMixedModel.update`.

        Returns
        -------
        DistributionalMixedModel
            To be fitted.

        Raises
        ------
        FormulaError, DataError, OptionError
            As for a new model.

        See Also
        --------
        GeneralizedLinearMixedModel.update

        Examples
        --------
        >>> ticks = datasets.load("grouseticks")
        >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
        >>> model.fit().update(". ~ . + year", ticks)
        <DistributionalMixedModel: ticks ~ 1 + year + (1 | brood); 403 rows>
        """
        options.setdefault("eval_env", EvalEnvironment.capture(0, reference=2))
        return self.model.update(formula, data, **options)

    # Data frames and storage.

    to_dir = _save_fit

    # Display.

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

    def __repr__(self) -> str:
        fitted = f"-2 log-likelihood {-2 * self.llf:.4f}"
        return f"<{type(self).__name__}: {self.model.formula_full}; {fitted}>"
