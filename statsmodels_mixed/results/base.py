"""What the results of linear and generalized fits have in common, as statsmodels users know it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from patsy.eval import EvalEnvironment

from .._typing import Array
from ..errors import DataError, OptionError
from ..later import load
from ..standard_errors.reference import Reference
from ..standard_errors.undetermined import undetermined
from .layout import Layout
from .testing import Testing

if TYPE_CHECKING:
    from ..fitting.estimates import Estimates
    from ..frame.design import Design
    from .fitted_model import FittedModel

__all__ = ["MixedModelResults", "unwrap"]


class MixedModelResults(Testing):
    """The result of fitting a mixed model.

    It holds its own numbers (`estimates`, frozen): fitting the model again, or another
    model to the same data, never changes it. `params`, `bse`, `tvalues`, `pvalues`,
    `conf_int()` and `cov_params()` refer to the estimable fixed effects. Their tests refer to
    the normal distribution, unless `fit` or `with_inference` was asked for degrees of freedom;
    covariance parameters are in `theta`, `varcorr`, `cov_re`.

    Parameters
    ----------
    model : FittedModel
        The model that was fitted.
    estimates : LinearEstimates or GeneralizedEstimates
        The numbers.
    layout : Layout
        The names that go with them.
    scale : float
        The dispersion; 1 for models without one.
    """

    # What the model is called, in titles and messages.
    kind = "mixed model"
    model: FittedModel
    params: Array
    method: str
    # Why what needs rows is refused.
    _without_rows = "the data of this result were removed; keep them to ask for this."
    # What puts pandas labels on its arrays.
    wrapper: ClassVar[type]
    # Whether residuals may be correlated, or of unequal variance.
    takes_correlated: ClassVar[bool] = False
    # Whether Pearson residuals have variance 1 as they are.
    unit_residuals: ClassVar[bool] = False
    # Columns whose coefficients have no finite estimate; linear models have none.
    separated: tuple[str, ...] = ()

    @property
    def limit(self) -> str | None:
        """None; for some families the distribution that they are without overdispersion."""
        return None

    def __init__(
        self,
        model: FittedModel,
        estimates: Estimates,
        layout: Layout,
        scale: float,
    ):
        for value in vars(estimates).values():
            if value.__class__ is np.ndarray:
                value.setflags(write=False)
            elif value.__class__ is tuple:
                for array in value:
                    if array.__class__ is np.ndarray:
                        array.setflags(write=False)
        self.estimates = estimates
        self.layout = layout
        self.undetermined = None
        if estimates.identification.dimension:
            self.undetermined = undetermined(model.sufficient_design(), estimates)
        super().__init__(model, estimates.beta, scale=scale)

    def _referring_to(self, reference: Reference) -> Self:
        """Return this fit with other standard errors or reference distributions."""
        other = copy.copy(self)
        other._cache = {}
        other.__dict__.pop("_coefficient_df", None)
        other.reference = replace(reference, tests=self._aware(reference.tests))
        clustered = reference.cov_type == "cluster"
        own = reference.dof if reference.dof != "residual" or clustered else None
        other.model = self.model._seen_with(own)
        return other

    def initialize(self, model: FittedModel, params: Array) -> None:
        """Attach the model and the coefficients (called by statsmodels)."""
        self.model = model._seen_with(None)  # it may be that of a result with its own dof=
        self.params = params

    def kept_design(self) -> Design:
        """Return the arrays of the model.

        Returns
        -------
        Design
            With `y`, `X`, `weights`, `offset` and the `blocks` of random effects.

        Raises
        ------
        DataError
            If the data were removed.

        See Also
        --------
        LinearMixedModelResults.remove_data

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.kept_design().X.shape
        (180, 2)
        """
        design: Design | None = self.model.design
        if design is None:
            raise DataError(self._without_rows)
        if not any([block.own_places for block in design.blocks]):
            return design
        placed: Design = load("fitting.structured.own_places:design_at")(
            design, self.estimates.structured
        )
        return placed

    def sufficient_design(self) -> Design:
        """Return arrays with the likelihood of the model.

        They are those of the model; of data that were read by batches few rows, which have the
        same cross-products as all.

        Returns
        -------
        Design

        Raises
        ------
        DataError
            If the data were removed.

        See Also
        --------
        LinearMixedModel.kept_design

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.sufficient_design().nobs
        180
        """
        sufficient = self.model.sufficient
        if sufficient is None or sufficient is self.model.design:
            return self.kept_design()
        return sufficient

    def __repr__(self) -> str:
        formula = getattr(self.model, "formula_full", self.layout.response)
        value = f"{self._objective_name} {self.objective:.4f}"
        return f"<{type(self).__name__}: {formula}; {self.method}, {value}>"

    def __str__(self) -> str:
        return str(self.summary().as_text())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())

    def summary(self) -> Any:
        """Summarize the fit."""
        raise NotImplementedError

    # Hooks for the summary and the comparison of fits.

    @property
    def _approximated_by(self) -> str:
        """What makes the likelihood of a fit comparable with that of another."""
        return self.method

    @property
    def _objective_name(self) -> str:
        return "-2 log-likelihood"

    def _header(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Return label and value of what only this kind of model shows: left, right."""
        return [], []

    def _own_facts(self) -> list[str]:
        """Return sentences that only this kind of model needs."""
        return []

    def _fit_options(self) -> dict[str, Any]:
        """Return the options with which `fit` comes back to this fit."""
        raise NotImplementedError

    def _check_comparable(self, restricted: Any) -> None:
        """Raise OptionError if the likelihood of another fit of this kind is another thing."""

    # Degrees of freedom of the mean.

    @property
    def k_constant(self) -> int:
        """1 when the columns of X span a constant, else 0."""
        constant: int = self.model.k_constant
        return constant

    @property
    def df_model(self) -> int:
        """Estimable coefficients not counting a constant."""
        return len(self.estimates.beta) - self.k_constant

    # Fitted values.

    @property
    def fittedvalues(self) -> Array:
        """Means of the rows, shape (n,): random effects at their conditional modes."""
        return self._require(self.estimates.fitted)

    @property
    def resid(self) -> Array:
        """Response minus fitted values, shape (n,)."""
        return np.asarray(self.kept_design().y - self.fittedvalues)

    @property
    def _conditional_predictor(self) -> Array:
        """X beta + Z b + offset, shape (n,)."""
        return self._require(self.estimates.eta)

    def update(self, formula: str, data: Any = None, **options: Any) -> FittedModel:
        """Make a model like that of this fit with a changed formula; it is not fitted yet.

        Parameters
        ----------
        formula, data, options
            As `LinearMixedModel.update` takes them.

        Returns
        -------
        LinearMixedModel or GeneralizedLinearMixedModel

        Raises
        ------
        FormulaError, DataError, OptionError
            As `LinearMixedModel.update`.

        See Also
        --------
        LinearMixedModel.update

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> smaller = fit.update(". ~ . - days").fit()
        >>> bool(smaller.llf < fit.llf)
        True
        """
        options.setdefault("eval_env", EvalEnvironment.capture(0, reference=2))
        return self.model.update(formula, data, **options)

    # Display and storage.

    @property
    def default_model_infos(self) -> dict[str, Callable[[Any], str]]:
        """The lines that statsmodels' `summary_col` adds below the coefficients."""
        own = load("results.table_lines:table_lines")(self)
        return {
            "Method": lambda result: result.method,
            "Log-Likelihood": lambda result: f"{result.llf:.4f}",
            "No. Observations": lambda result: str(result.nobs),
            **{label: partial(_constant, value) for label, value in own.items()},
        }

    def remove_data(self) -> None:
        """Forget everything that grows with the number of rows.

        The model of this result is replaced by one without data, so other results of
        the same model keep theirs. Coefficients, random effects, tests, the summary and
        predictions for new data remain.

        See Also
        --------
        LinearMixedModelResults.to_dir

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.remove_data()
        >>> fit.model.endog is None, fit.predict({"days": [1.0]}).round(1)
        (True, array([261.9]))
        """
        self._note_before_removal()
        self.model = self.model.without_data()
        self.estimates = self.estimates.without_rows()
        options = {k: v for k, v in self.cov_kwds.items() if k != "groups"}
        self.reference = replace(self.reference, cov_kwds=options)
        self._cache: dict[str, Any] = {}

    def _note_before_removal(self) -> None:
        """Keep what is read off the rows and asked for without them."""


def _constant(value: str, result: Any) -> str:
    return value


def unwrap(result: Any, *, correlated: bool = False, parts: str = "") -> Any:
    """Return the results behind statsmodels' wrapper.

    Parameters
    ----------
    result : object
    correlated : bool
        Whether results with correlated residuals, or with residuals of unequal variance, are
        in order.

    Raises
    ------
    OptionError
        If they are not those of a mixed model, or not in order.
    """
    results = getattr(result, "_results", result)
    if parts and getattr(type(results), "stands_alone", False):
        return results if parts == "all" else results._mean_part
    if not isinstance(results, MixedModelResults):
        refusal = getattr(type(results), "_refusal", None)
        if refusal is not None:
            raise OptionError(str(refusal))
        raise OptionError(f"a fitted mixed model is needed, not {type(result).__name__}.")
    if results.takes_correlated and not correlated:
        raise OptionError(
            "this takes residuals to be independent with equal variance: it is not offered for "
            "models with residual= or dispersion=."
        )
    return results
