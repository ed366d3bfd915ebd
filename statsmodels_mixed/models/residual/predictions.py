"""Predictions from a fit with correlated residuals: of means, or given what was observed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..._typing import Array
from ...errors import OptionError
from ...prediction.conditional import conditional_prediction
from ...prediction.results import MixedPrediction
from ...prediction.rows import open_new_data
from ..linear.results import LinearMixedModelResults

__all__ = ["ResidualPredictions"]


class ResidualPredictions(LinearMixedModelResults):
    """The predictions of `ResidualCovarianceResults`."""

    def predict(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        conditional: bool = False,
        **options: Any,
    ) -> Array | pd.Series:
        """Predict the mean of the response.

        Parameters
        ----------
        exog, transform, **options
            As for `LinearMixedModelResults.predict`.
        conditional : bool
            Predict the responses of new rows given those of the fit: what is known of a
            subject, by its random effects and by the correlation of its residuals, at other
            visits or times. A subject the fit has not seen has its mean.

        Returns
        -------
        ndarray or Series, shape (m,)

        Raises
        ------
        DataError
            If a column is missing, or a structure has no covariances for a visit.
        OptionError
            If `conditional` goes with `re`, or there are no new data.

        See Also
        --------
        ResidualCovarianceResults.get_prediction

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> fit = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)").fit()
        >>> new = pd.DataFrame({"days": [10, 20], "subj": "S308"})
        >>> fit.predict(new).round(1).tolist(), fit.predict(new, conditional=True).round(1).tolist()
        ([358.3, 463.0], [452.1, 472.1])
        """
        if not conditional:
            return super().predict(exog, transform, **options)
        made = self._conditional(exog, transform, options)
        mean = made.predicted_mean
        return mean if made.row_labels is None else pd.Series(mean, index=made.row_labels)

    def get_prediction(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        conditional: bool = False,
        **options: Any,
    ) -> MixedPrediction:
        """Predict with standard errors of means, from the fixed part or given the responses.

        Parameters
        ----------
        exog, transform, **options
            As for `LinearMixedModelResults.get_prediction`.
        conditional : bool
            Predict the responses of new rows given those of the fit; see `predict`. Standard
            errors of means are those of the estimated coefficients; intervals with ``obs=True``
            have the conditional variance besides. The covariance is taken as known.

        Returns
        -------
        MixedPrediction
            With `predicted_mean`, `se_mean`, `conf_int()` and `conf_int(obs=True)`. The residual
            of a new response has the variance of its place and its dispersion, so new data need
            the columns of these; without `conditional` it is independent of all residuals of the
            fit.

        Raises
        ------
        DataError
            If a column is missing, or a structure has no covariances for a visit.

        See Also
        --------
        ResidualCovarianceResults.residual_covariance

        References
        ----------
        Cressie (1993), Statistics for spatial data, section 3.4.

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> fit = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)").fit()
        >>> fit.get_prediction({"days": [0.0]}).predicted_mean.round(1)
        array([253.7])
        >>> new = {"days": [10], "subj": ["S308"]}
        >>> fit.get_prediction(new, conditional=True).conf_int(obs=True).round(1)
        array([[393.7, 510.6]])
        """
        if conditional:
            return self._conditional(exog, transform, options)
        return super().get_prediction(exog, transform, **options)

    def _conditional(self, exog: Any, transform: bool, options: dict[str, Any]) -> MixedPrediction:
        known = {"offset", "weights"}
        others = sorted(set(options) - known)
        if others:
            raise OptionError(
                f"conditional=True takes all that is known of a subject: leave {others[0]}= out."
            )
        return conditional_prediction(self, open_new_data(self.model, exog, transform, **options))
