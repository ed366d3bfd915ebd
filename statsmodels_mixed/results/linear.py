"""A fitted linear mixed model as statsmodels users know results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.base.model import LikelihoodModelResults, LikelihoodResultsWrapper
from statsmodels.base.wrapper import populate_wrapper, union_dicts

from ..errors import DataError
from ..estimates import LinearEstimates
from .extractors import Extractors
from .layout import Layout

if TYPE_CHECKING:
    from statsmodels.base._prediction_inference import PredictionResultsMean
    from statsmodels.stats.contrast import WaldTestResults

    from ..design import Design
    from ..models.linear import LinearMixedModel
    from .comparison import LikelihoodRatio
    from .document import Document

__all__ = ["LinearMixedModelResults", "LinearMixedModelResultsWrapper"]

Array = NDArray[np.float64]


class LinearMixedModelResults(Extractors, LikelihoodModelResults):  # type: ignore[misc]
    """The result of fitting a `LinearMixedModel`.

    It holds its own numbers (`estimates`, frozen): fitting the model again, or another
    model to the same data, never changes it. `params`, `bse`, `tvalues`, `pvalues`,
    `conf_int()` and `cov_params()` are about the estimable fixed effects, given the
    estimated covariance parameters, with the normal distribution as reference;
    covariance parameters are in `theta`, `varcorr`, `cov_re`, `sigma` and `scale`.

    Parameters
    ----------
    model : LinearMixedModel
        The model that was fitted.
    estimates : LinearEstimates
        The numbers.
    layout : Layout
        The names that go with them.
    """

    def __init__(self, model: LinearMixedModel, estimates: LinearEstimates, layout: Layout):
        for value in vars(estimates).values():
            for array in value if isinstance(value, tuple) else (value,):
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False
        self.estimates = estimates
        self.layout = layout
        super().__init__(model, estimates.beta, estimates.cov_unscaled, scale=estimates.sigma**2)

    def initialize(self, model: LinearMixedModel, params: Array) -> None:
        """Attach the model and the coefficients (called by statsmodels)."""
        self.model = model
        self.params = params

    def _design(self) -> Design:
        design = self.model.design
        if design is None:
            raise DataError("the data of this result were removed; keep them to ask for this")
        return design

    def __repr__(self) -> str:
        what = "REML criterion" if self.reml else "-2 log-likelihood"
        formula = getattr(self.model, "formula_full", self.layout.response)
        return f"<{type(self).__name__}: {formula}; {self.method}, {what} {self.objective:.4f}>"

    def __str__(self) -> str:
        return self.summary().as_text()

    def _repr_html_(self) -> str:
        return self.summary().as_html()

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

    # Fitted values and prediction.

    @property
    def fittedvalues(self) -> Array:
        """X beta + Z b + offset, shape (n,): random effects at their conditional modes."""
        return self._require(self.estimates.fitted)

    @cached_property
    def resid(self) -> Array:
        """Response minus fitted values, shape (n,)."""
        return np.asarray(self._design().y - self.fittedvalues)

    def predict(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        re: bool = False,
        new_levels: str = "error",
        offset: Any = None,
    ) -> Array | pd.Series:
        """Predict the mean of the response.

        Parameters
        ----------
        exog : frame, mapping or array, optional
            New data; without it, the rows of the fit. With `transform` a table with the
            columns of the formula; otherwise the fixed-effects matrix itself.
        transform : bool
            Whether `exog` goes through the formula.
        re : bool
            Add the conditional modes of the random effects; otherwise the prediction
            is the fixed part only, that of a typical level.
        new_levels : {"error", "population", "missing"}
            With `re`, what to do with levels the fit has not seen: refuse, take the
            fixed part only, or predict NaN.
        offset : array or column name, optional
            Offset of the new rows. When the model's own offset is a column, the column
            of that name in `exog` is taken.

        Returns
        -------
        ndarray or Series, shape (m,)
            A Series with the index of `exog` when that is a frame. Rows of new data with
            missing values give NaN.

        Raises
        ------
        DataError
            If a column or an offset is missing, or a level is new and may not be.
        """
        from .prediction import predict

        return predict(self, exog, transform, re=re, new_levels=new_levels, offset=offset)

    def get_prediction(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        row_labels: Sequence[Any] | None = None,
        offset: Any = None,
    ) -> PredictionResultsMean:
        """Predict the fixed part with standard errors.

        Parameters
        ----------
        exog, transform, offset
            As in `predict`.
        row_labels : sequence, optional
            Index of the table that `summary_frame()` returns.

        Returns
        -------
        PredictionResultsMean
            With `predicted_mean`, `se_mean`, `conf_int()` and `summary_frame()`. The
            standard errors are those of X beta, given the covariance parameters.
        """
        from .prediction import get_prediction

        return get_prediction(self, exog, transform, row_labels=row_labels, offset=offset)

    def _transform_predict_exog(self, exog: Any, transform: bool = True) -> tuple[Any, Any]:
        """Return the fixed-effects matrix for new data and its row labels."""
        from .prediction import fixed_part

        return (None, None) if exog is None else fixed_part(self.model, exog, transform)

    # Tests. `t_test`, `f_test` and `wald_test` are statsmodels' own.

    def wald_test_terms(
        self,
        skip_single: bool = False,
        extra_constraints: Sequence[tuple[str, Any]] = (),
        combine_terms: Sequence[str] = (),
        scalar: bool = True,
    ) -> WaldTestResults:
        """Test of each term of the fixed part that all its estimable coefficients are zero.

        Parameters
        ----------
        skip_single : bool
            Leave terms with a single column out.
        extra_constraints : sequence of (name, matrix)
            Further tests.
        combine_terms : sequence of str
            Each gives one joint test of all terms whose name contains it.
        scalar : bool
            Whether statistics are floats and not arrays.

        Returns
        -------
        WaldTestResults
            Its `table` has one row per test.
        """
        from .contrasts import wald_test_terms

        return wald_test_terms(self, skip_single, extra_constraints, combine_terms, scalar)

    def t_test_pairwise(
        self,
        term_name: str,
        method: str | Sequence[str] = "hs",
        alpha: float = 0.05,
        factor_labels: Sequence[str] | None = None,
    ) -> Any:
        """Compare all pairs of levels of a categorical term of the fixed part.

        Parameters
        ----------
        term_name : str
            The term, such as ``"machine"``.
        method : str or sequence of str
            Corrections for multiple testing.
        alpha : float
            Significance level.
        factor_labels : sequence of str, optional
            Names of the levels to show.

        Returns
        -------
        MultiCompResult
            Its `result_frame` has one row per pair.
        """
        from .contrasts import t_test_pairwise

        return t_test_pairwise(self, term_name, method, alpha, factor_labels)

    def compare_lr_test(self, restricted: Any) -> LikelihoodRatio:
        """Test against a smaller model nested in this one; see `likelihood_ratio`."""
        from .comparison import likelihood_ratio

        return likelihood_ratio(self, restricted)

    # Display and storage.

    def summary(
        self,
        yname: str | None = None,
        xname: Sequence[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
    ) -> Document:
        """Summarize the fit: criteria, sizes, coefficients, variance components, facts.

        Parameters
        ----------
        yname : str, optional
            Name to show for the response.
        xname : sequence of str, optional
            Names to show for the estimable coefficients.
        title : str, optional
            First line instead of the one that tells the kind of fit.
        alpha : float
            The confidence intervals have level 1 - alpha.

        Returns
        -------
        Document
            Prints as text; has `as_html()`, `as_latex()`, `as_markdown()`, `as_csv()`.
        """
        from .summary import summarize

        return summarize(self, yname=yname, xname=xname, title_text=title, alpha=alpha)

    @property
    def default_model_infos(self) -> dict[str, Callable[[Any], str]]:
        """The lines that statsmodels' `summary_col` adds below the coefficients."""
        return {
            "Method": lambda result: result.method,
            "Log-Likelihood": lambda result: f"{result.llf:.4f}",
            "Residual sd": lambda result: f"{result.sigma:.4f}",
            "No. Observations": lambda result: str(result.nobs),
        }

    def remove_data(self) -> None:
        """Forget everything that grows with the number of rows.

        The model of this result is replaced by one without data, so other results of
        the same model keep theirs. Coefficients, random effects, tests, the summary and
        predictions for new data remain.
        """
        self.model = self.model.without_data()
        empty = np.empty(0)
        self.estimates = replace(self.estimates, linear_predictor=empty, fitted=empty)
        self.__dict__.pop("resid", None)
        self._cache: dict[str, Any] = {}


class LinearMixedModelResultsWrapper(LikelihoodResultsWrapper):  # type: ignore[misc]
    """`LinearMixedModelResults` with pandas labels on its arrays."""

    _wrap_attrs = LikelihoodResultsWrapper._wrap_attrs
    _wrap_methods = union_dicts(LikelihoodResultsWrapper._wrap_methods)

    def __repr__(self) -> str:
        return repr(self._results)

    def __str__(self) -> str:
        return str(self._results)

    def _repr_html_(self) -> str:
        return str(self._results._repr_html_())


populate_wrapper(LinearMixedModelResultsWrapper, LinearMixedModelResults)
