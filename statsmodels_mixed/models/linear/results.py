"""A fitted linear mixed model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.base.wrapper import populate_wrapper

from ..._typing import Array
from ...errors import DataError, OptionError
from ...fitting.estimates import LinearEstimates
from ...fitting.fixed_effects.basis import root_mean_square
from ...fitting.linear.penalized_least_squares import residuals
from ...fitting.search.monte_carlo import MonteCarlo
from ...prediction.predict import get_prediction, predict
from ...prediction.rows import open_new_data
from ...results.layout import Layout
from ...results.summary import summarize
from ...results.wrapper import MixedModelResultsWrapper
from ...standard_errors.reference import MODEL_BASED
from ..methods import Methods

if TYPE_CHECKING:
    from ...prediction.results import MixedPrediction
    from ...tables.document import Document
    from .model import LinearMixedModel

__all__ = ["LinearMixedModelResults", "LinearMixedModelResultsWrapper"]


# Doubles below this have lost digits.
SMALLEST_VARIANCE = float(np.finfo(float).tiny)
# Residuals that are a smaller share of the response are not taken from rounded fitted values.
FAR = 1e-5


class LinearMixedModelResults(Methods):
    """The result of fitting a `LinearMixedModel`; see `MixedModelResults`.

    Standard errors are those given the estimated covariance parameters. The residual
    standard deviation is `sigma`, its square `scale`.

    Parameters
    ----------
    model : LinearMixedModel
        The model that was fitted.
    estimates : LinearEstimates
        The numbers.
    layout : Layout
        The names that go with them.

    See Also
    --------
    GeneralizedLinearMixedModelResults

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.params.round(2).to_dict(), fit.bse.round(2).to_dict()
    ({'Intercept': 251.41, 'days': 10.47}, {'Intercept': 6.63, 'days': 1.5})
    >>> round(fit.llf, 3), round(fit.aic, 3), fit.dof, fit.nobs, fit.converged
    (-875.97, 1763.939, 6, 180, True)
    >>> round(fit.sigma, 3), fit.theta.round(3), fit.theta_names[0]
    (25.592, array([0.929, 0.018, 0.223]), 'subj.Intercept')
    """

    kind = "linear mixed model"
    estimates: LinearEstimates

    def __init__(self, model: LinearMixedModel, estimates: LinearEstimates, layout: Layout):
        super().__init__(model, estimates, layout, estimates.sigma**2)

    @property
    def reml(self) -> bool:
        """Whether the REML criterion was minimized."""
        return self.estimates.reml

    @property
    def method(self) -> str:  # type: ignore[override]
        """``"ML"`` or ``"REML"``."""
        return "REML" if self.estimates.reml else "ML"

    @property
    def deviance(self) -> float:
        """Another name for `objective`: no saturated model is subtracted."""
        return self.estimates.objective

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self.estimates.sigma

    @property
    def monte_carlo(self) -> MonteCarlo | None:
        """Monte Carlo errors of an iterative fit; None for a direct one, which has none."""
        return self.estimates.monte_carlo

    @property
    def mse_resid(self) -> float:
        """The residual variance sigma^2, under the name that statsmodels' plots ask for."""
        return float(self.scale)

    @property
    def resid(self) -> Array:
        """Response minus fitted values, shape (n,), also where that takes their last digits."""
        design, apart = self.kept_design(), super().resid
        if self.monte_carlo is not None or not isinstance(self.estimates, LinearEstimates):
            return apart
        size = root_mean_square(design.y, design.weights)
        if root_mean_square(apart, design.weights) >= FAR * size:
            return apart
        return residuals(design, self.estimates)[0]

    @property
    def _residual_sd(self) -> float:
        return self.estimates.sigma

    @property
    def _lost_variances(self) -> NDArray[np.bool_]:
        """Which coefficients have a variance beyond the range of doubles, shape (rank,)."""
        variances = self.reference.tests.covariance.diagonal()
        small = (variances >= 0) & (variances < SMALLEST_VARIANCE)  # adjusted ones may be negative
        if self.reference.errors != MODEL_BASED:  # scores of clusters may all be zero
            small &= variances != 0
        return np.isinf(variances) | small & (self.estimates.sigma > 0)

    @property
    def bse(self) -> Array:
        """Standard errors of the coefficients, shape (rank,)."""
        made = vars(self).get("reference")  # not before something needs it
        if self.undetermined is None and (made is None or made.errors == MODEL_BASED):
            # Also where variances are no doubles.
            return np.asarray(self.estimates.sigma * self.estimates.errors_unscaled)
        variances = self.reference.tests.covariance.diagonal()
        with np.errstate(invalid="ignore"):  # robust variances may be negative by rounding
            errors: Array = np.sqrt(variances)
        lost = self._lost_variances
        if lost.any() and self.reference.errors == MODEL_BASED:
            errors[lost] = (self.estimates.sigma * self.estimates.errors_unscaled)[lost]
        errors[~self._tests.known(np.eye(len(errors)))] = np.nan
        return errors

    def _check_covariance(self) -> None:
        lost = self._lost_variances
        if lost.any():
            name = self.fixefnames[int(np.argmax(lost))]
            raise DataError(
                f"the variance of the coefficient of {name!r} is beyond the range of numbers: "
                f"multiply {name!r}, or the response, by a power of ten."
            )

    def predict(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        re: bool | str | Sequence[str] = False,
        new_levels: str = "error",
        offset: Any = None,
    ) -> Array | pd.Series:
        """Predict the mean of the response.

        Parameters
        ----------
        exog : frame, mapping or array, optional
            New data; without it, the rows of the fit. With `transform` a table with the
            columns of the formula; otherwise the fixed-effects matrix itself. Columns of the
            response and of random effects that are not added are not needed.
        transform : bool
            Whether `exog` goes through the formula.
        re : bool, str or list of str
            The random effects to add, at their conditional modes: none (the default: the
            prediction is the fixed part, that of a typical level), all, those of a grouping
            factor or of a list of them, or terms as in a formula, ``"(0 + days | subj)"``.
            Terms may name some of the effects of a term of the model.
        new_levels : {"error", "population", "missing"}
            With `re`, what to do with levels the fit has not seen: refuse, take zero for their
            random effects (also where the level is missing), or predict NaN.
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
        OptionError
            If `re` names what is not in the model.

        See Also
        --------
        LinearMixedModelResults.get_prediction

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> new = pd.DataFrame({"days": [0, 9]})
        >>> fit.predict(new).round(2).tolist()
        [251.41, 345.61]
        >>> fit.predict(new.assign(subj="S308"), re=True).round(2).tolist()
        [292.04, 386.25]
        """
        new = open_new_data(self.model, exog, transform, offset=offset)
        return predict(self, new, re=re, new_levels=new_levels)

    def get_prediction(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        re: bool | str | Sequence[str] = False,
        new_levels: str = "error",
        row_labels: Sequence[Any] | None = None,
        offset: Any = None,
        weights: Any = None,
    ) -> MixedPrediction:
        """Predict with standard errors, and with intervals for means and new responses.

        Parameters
        ----------
        exog, transform, re, new_levels, offset
            As in `predict`.
        row_labels : sequence, optional
            Index of the table that `summary_frame()` returns.
        weights : array or column name, optional
            Prior weights of new rows, for intervals of new responses. When the model's own
            weights are a column, the column of that name in `exog` is taken.

        Returns
        -------
        MixedPrediction
            With `predicted_mean`, `se_mean`, `conf_int()`, `conf_int(obs=True)` and
            `summary_frame()`.

        Raises
        ------
        DataError
            If a column, an offset or weights are missing, or a level is new and may not be.
        OptionError
            If `re` names what is not in the model.

        See Also
        --------
        LinearMixedModelResults.predict, MixedPrediction

        Notes
        -----
        Without `re` the standard errors are those of X beta, from `cov_params()`. With `re`
        they are those of X beta + Z b, the uncertainty of beta and of b together, given theta
        (lme4's ``se.fit``), from Henderson's mixed-model equations. A level the fit has not
        seen is predicted by zero (``new_levels="population"``); what its random effects may
        be, z'Sigma z, is part of its standard error.

        A new response adds the residual variance sigma^2 / weight, and for random effects left
        out of the prediction z'Sigma z: without `re` it is one at new levels. That takes the
        columns of these random effects, though not those of their grouping factors.

        References
        ----------
        Henderson (1975), Biometrics 31, 423-447.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> new = pd.DataFrame({"days": [0, 9]})
        >>> fit.get_prediction(new).summary_frame().round(1)
            mean  mean_se  mean_ci_lower  mean_ci_upper  obs_ci_lower  obs_ci_upper
        0  251.4      9.5          232.8          270.0         156.6         346.3
        1  345.6      9.5          327.0          364.2         250.8         440.5
        """
        new = open_new_data(self.model, exog, transform, offset=offset, weights=weights)
        return get_prediction(self, new, re=re, new_levels=new_levels, row_labels=row_labels)

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
            First line instead of the one that names the kind of fit.
        alpha : float
            The confidence intervals have level 1 - alpha.

        Returns
        -------
        Document
            Prints as text; has `as_html()`, `as_latex()`, `as_markdown()`, `as_csv()`.

        See Also
        --------
        LinearMixedModelResults.coeftable

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> print(fit.summary().tables[-1].as_text())
        Random effects
                 Column     Variance Std.Dev.
        -------------------------------------
        subj     Intercept 1296.8700  36.0121
        Residual            954.5278  30.8954
        """
        return summarize(self, yname=yname, xname=xname, title_text=title, alpha=alpha)

    @property
    def _objective_name(self) -> str:
        return "REML criterion" if self.reml else super()._objective_name

    def _fit_options(self) -> dict[str, Any]:
        estimates = self.estimates
        return {
            "reml": estimates.reml,
            "sigma": estimates.fixed_sigma,
            "start": None if estimates.singular else estimates.start,
        }

    def _header(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        errors = self.reference.errors
        return ([] if errors == MODEL_BASED else [("Std. Errors:", errors)]), []

    def _own_facts(self) -> list[str]:
        facts = []
        if self.estimates.sigma_fixed:
            facts.append(f"The residual standard deviation was fixed at {self.sigma:g}.")
        if self.monte_carlo is not None:
            facts.append(self.monte_carlo.sentence)
        return facts

    def _check_comparable(self, restricted: LinearMixedModelResults) -> None:
        ours, theirs = self.sufficient_design(), restricted.sufficient_design()
        same = ours.x_names == theirs.x_names if ours.reduced else np.array_equal(ours.X, theirs.X)
        if self.reml and not same:
            raise OptionError(
                "REML criteria of models with different fixed effects are not comparable: refit "
                "both with reml=False, or call anova(), which does."
            )


if TYPE_CHECKING:
    # A wrapper hands over all that it does not label.
    _Wrapped = LinearMixedModelResults
else:
    _Wrapped = object


class LinearMixedModelResultsWrapper(MixedModelResultsWrapper, _Wrapped):
    """`LinearMixedModelResults` with pandas labels on its arrays.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> type(fit).__name__, type(fit.params).__name__
    ('LinearMixedModelResultsWrapper', 'Series')
    """


populate_wrapper(LinearMixedModelResultsWrapper, LinearMixedModelResults)
LinearMixedModelResults.wrapper = LinearMixedModelResultsWrapper
