"""The fit of a model whose rows have parameters besides their mean."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

from patsy import EvalEnvironment

from ...errors import NotOfferedError
from ...fitting.distributional.estimates import DistributionalEstimates
from ...later import load
from ...results.distributional.base import DistributionalFit
from ...results.no_attribute import say_why_not
from ...saved import save_fit as _save_fit
from ..generalized.results import GeneralizedLinearMixedModelResults
from .components import component_of, with_columns, with_constant
from .mean_part import MeanPart, part_of_mean
from .methods import DistributionalMethods

if TYPE_CHECKING:
    import pandas as pd

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


class DistributionalResults(DistributionalMethods, MeanPart, DistributionalFit):
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
    estimates: DistributionalEstimates

    # A fit that statsmodels puts no wrapper around; a file may hold it.
    stands_alone: ClassVar[bool] = True
    unit_residuals: ClassVar[bool] = True
    # What functions for other fits say.
    _refusal: ClassVar[str] = (
        "this is not offered for models with formulas of zeros or dispersion, or of families with "
        "thresholds or shapes; the methods that dir(fit) lists are: simulate, anova and others."
    )

    def __init__(self, model: DistributionalMixedModel, estimates: DistributionalEstimates) -> None:
        super().__init__(model, estimates)
        self._mean_part = part_of_mean(self)
        self._note_infinite()

    _component = component_of
    _with_constant = with_constant
    _with_columns = with_columns

    def _changed(self, **attributes: Any) -> Self:
        """Return a copy with other estimates, or with another covariance and its kind."""
        other = copy.copy(self)
        vars(other).pop("_fitted", None)  # what may be kept of the estimates
        vars(other).update(attributes)
        other._mean_part = part_of_mean(other)
        return other

    def _profile_of_coefficients(self, alpha: float) -> pd.DataFrame:
        table = self.profile("beta", level=1.0 - alpha, progress=False).conf_int(alpha)
        return table.loc["beta", ["lower", "upper"]]

    def __getattr__(self, name: str) -> Any:
        say_why_not(self, name)
        if not name.startswith("_") and hasattr(GeneralizedLinearMixedModelResults, name):
            raise NotOfferedError(
                f"{name} is not offered for models with formulas of zeros or dispersion, or of "
                f"families with thresholds or shapes: {_INSTEAD.get(name, _LISTED)}."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}.")

    @property
    def resid_response(self) -> pd.Series:
        """Response minus fitted mean, shape (n,), under the name of statsmodels' GLM."""
        return self.resid

    @property
    def resid_pearson(self) -> pd.Series:
        """Residuals over standard deviations of the responses, shape (n,)."""
        return self._by_row(self.residuals("pearson"))

    @property
    def resid_deviance(self) -> pd.Series:
        """Deviance residuals, shape (n,), for families that have them; see `residuals`."""
        return self._by_row(self.residuals("deviance"))

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

    def __repr__(self) -> str:
        fitted = f"-2 log-likelihood {-2 * self.llf:.4f}"
        return f"<{type(self).__name__}: {self.model.formula_full}; {fitted}>"
