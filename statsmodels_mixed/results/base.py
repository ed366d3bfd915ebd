"""What the results of linear and generalized fits have in common, as statsmodels users know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.base.model import LikelihoodModelResults, LikelihoodResultsWrapper
from statsmodels.base.wrapper import union_dicts

from ..errors import DataError
from .extractors import Extractors
from .layout import Layout

if TYPE_CHECKING:
    from statsmodels.stats.contrast import WaldTestResults

    from ..design import Design
    from ..estimates import GeneralizedEstimates, LinearEstimates
    from ..models.base import MixedModel
    from .comparison import LikelihoodRatio

__all__ = ["MixedModelResults", "MixedModelResultsWrapper"]

Array = NDArray[np.float64]


class MixedModelResults(Extractors, LikelihoodModelResults):  # type: ignore[misc]
    """The result of fitting a mixed model.

    It holds its own numbers (`estimates`, frozen): fitting the model again, or another
    model to the same data, never changes it. `params`, `bse`, `tvalues`, `pvalues`,
    `conf_int()` and `cov_params()` are about the estimable fixed effects, with the normal
    distribution as reference; covariance parameters are in `theta`, `varcorr`, `cov_re`.

    Parameters
    ----------
    model : MixedModel
        The model that was fitted.
    estimates : LinearEstimates or GeneralizedEstimates
        The numbers.
    layout : Layout
        The names that go with them.
    covariance : ndarray, shape (rank, rank)
        Covariance of the coefficients, divided by `scale`.
    scale : float
        The dispersion; 1 for models without one.
    """

    # What the model is called, in titles and messages.
    kind = "mixed model"
    method: str
    # Columns whose coefficients have no finite estimate; linear models have none.
    separated: tuple[str, ...] = ()

    def __init__(
        self,
        model: MixedModel,
        estimates: LinearEstimates | GeneralizedEstimates,
        layout: Layout,
        covariance: Array,
        scale: float,
    ):
        for value in vars(estimates).values():
            for array in value if isinstance(value, tuple) else (value,):
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False
        self.estimates = estimates
        self.layout = layout
        super().__init__(model, estimates.beta, covariance, scale=scale)

    def initialize(self, model: MixedModel, params: Array) -> None:
        """Attach the model and the coefficients (called by statsmodels)."""
        self.model = model
        self.params = params

    def _design(self) -> Design:
        design: Design | None = self.model.design
        if design is None:
            raise DataError("the data of this result were removed; keep them to ask for this")
        return design

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
    def _objective_name(self) -> str:
        return "-2 log-likelihood"

    def _header(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Return label and value of what only this kind of model shows: left, right."""
        return [], []

    def _own_facts(self) -> list[str]:
        """Return sentences that only this kind of model needs."""
        return []

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
        return np.asarray(self._design().y - self.fittedvalues)

    @property
    def _conditional_predictor(self) -> Array:
        """X beta + Z b + offset, shape (n,)."""
        raise NotImplementedError

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

    @property
    def default_model_infos(self) -> dict[str, Callable[[Any], str]]:
        """The lines that statsmodels' `summary_col` adds below the coefficients."""
        return {
            "Method": lambda result: result.method,
            "Log-Likelihood": lambda result: f"{result.llf:.4f}",
            "No. Observations": lambda result: str(result.nobs),
        }

    # Fields of the estimates that have one element for each row.
    _by_row: tuple[str, ...] = ("linear_predictor", "fitted")

    def remove_data(self) -> None:
        """Forget everything that grows with the number of rows.

        The model of this result is replaced by one without data, so other results of
        the same model keep theirs. Coefficients, random effects, tests, the summary and
        predictions for new data remain.
        """
        self.model = self.model.without_data()
        nothing: dict[str, Any] = dict.fromkeys(self._by_row, np.empty(0))
        self.estimates = replace(self.estimates, **nothing)
        self._cache: dict[str, Any] = {}


class MixedModelResultsWrapper(LikelihoodResultsWrapper):  # type: ignore[misc]
    """Results with pandas labels on their arrays."""

    _wrap_attrs = LikelihoodResultsWrapper._wrap_attrs
    _wrap_methods = union_dicts(LikelihoodResultsWrapper._wrap_methods)

    def __repr__(self) -> str:
        return repr(self._results)

    def __str__(self) -> str:
        return str(self._results)

    def _repr_html_(self) -> str:
        return str(self._results._repr_html_())
