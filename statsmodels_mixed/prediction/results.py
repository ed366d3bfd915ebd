"""Predictions with standard errors and intervals, under the names statsmodels gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit
from statsmodels.base._prediction_inference import PredictionResultsMean

from .._typing import Array
from ..errors import OptionError
from ..fitting.families.spec import FamilySpec
from ..later import load
from ..tables.document import Document
from ..tables.shown import MOST_ROWS, Shown, table_of

if TYPE_CHECKING:
    from .drawn_responses import DrawnResponses

__all__ = ["MixedPrediction", "NewResponses"]


@dataclass(frozen=True, eq=False)
class NewResponses:
    """What new responses in the predicted rows have beside the uncertainty of their mean.

    Parameters
    ----------
    linear : ndarray, shape (m,)
        Predictions of the linear predictor.
    variance : ndarray, shape (m,)
        Of the linear predictor: that of its prediction, and z'Sigma z of random effects that
        the prediction leaves out.
    dispersion : float
        sigma^2 of a linear model, the dispersion of a generalized one.
    weights : ndarray, shape (m,)
        Prior weights.
    spec : FamilySpec or None
        None for a linear model.
    """

    linear: Array
    variance: Array
    dispersion: float
    weights: Array
    spec: FamilySpec | None

    @property
    def normal(self) -> bool:
        """Whether responses have a normal distribution about the linear predictor."""
        return self.spec is None or self.spec.normal


class MixedPrediction(Shown, PredictionResultsMean):  # type: ignore[misc]
    """Predicted means of a mixed model, their standard errors and intervals.

    `predicted_mean` and `se_mean` have shape (m,); `t_test()` compares the means with a value.

    Parameters
    ----------
    mean, variance : ndarray, shape (m,)
        Predictions and their variances.
    linear : MixedPrediction or None
        The same for the linear predictor, where that is another thing.
    link : statsmodels link
        From means to linear predictors.
    one_signed : bool
        Whether the link is defined for positive linear predictors only.
    new : NewResponses, callable or str
        What prediction intervals need, or why there are none; a callable makes the
        `DrawnResponses` that they need, or says why, when they are asked for.
    df : ndarray or float
        Degrees of freedom of a t distribution, for means.
    df_new : float
        The same for new responses.
    dist : {"norm", "t"}
    row_labels : sequence or None
        Labels of the rows.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> prediction = fit.get_prediction(pd.DataFrame({"days": [0, 9]}))
    >>> prediction.predicted_mean.round(2), prediction.se_mean.round(2)
    (array([251.41, 345.61]), array([9.51, 9.51]))
    """

    def __init__(
        self,
        mean: Array,
        variance: Array,
        *,
        linear: MixedPrediction | None,
        link: Any,
        one_signed: bool,
        new: NewResponses | Callable[[], DrawnResponses | str] | str,
        df: ArrayLike,
        df_new: float,
        dist: str,
        row_labels: Sequence[Any] | None,
    ) -> None:
        super().__init__(
            mean, variance, df=df, dist=dist, row_labels=row_labels, linpred=linear, link=link
        )
        self.one_signed = one_signed
        self.new = new
        self.df_new = df_new

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.predicted_mean)} rows>"

    def _document(self) -> Document:
        frame, most = self.summary_frame(), 2 * MOST_ROWS
        notes = [f"The first {most} of {len(frame)} rows."] if len(frame) > most else []
        return Document("Predictions", [table_of(frame, most=most)], notes)

    @property
    def se_obs(self) -> Array:
        """Standard deviation of a new response about its prediction, shape (m,).

        Raises
        ------
        OptionError
            If new responses are not normal, or cannot be predicted.
        """
        new = self._new()
        if not isinstance(new, NewResponses) or not new.normal:
            raise OptionError(
                "new responses of this family are not normal: ask for conf_int(obs=True)."
            )
        noise = np.sqrt(new.dispersion) / np.sqrt(new.weights)  # whose square may overflow
        return np.asarray(np.hypot(np.sqrt(new.variance), noise))

    def conf_int(
        self, method: str = "endpoint", alpha: float = 0.05, *, obs: bool = False
    ) -> Array:
        """Intervals of the means, or of new responses.

        Parameters
        ----------
        method : {"endpoint", "delta"}
            Transform the interval of the linear predictor, or take the mean with the standard
            error of the delta method. New responses have only the former.
        alpha : float
            The level is 1 - alpha.
        obs : bool
            Intervals for a new response in each row rather than for its mean. They hold a new
            response with probability 1 - alpha given the estimated theta and dispersion, with
            alpha / 2 (at most, if it is discrete) on either side.

        Returns
        -------
        ndarray, shape (m, 2)
            NaN where there is no prediction, and for limits of means outside of the range of
            the link.

        Raises
        ------
        OptionError
            If an option is not possible, or there can be no interval for a new response; the
            message says why.

        See Also
        --------
        MixedPrediction.summary_frame

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.get_prediction(pd.DataFrame({"days": [0, 9]})).conf_int(obs=True).round(1)
        array([[156.6, 346.3],
               [250.8, 440.5]])
        """
        if method not in ("endpoint", "delta"):
            raise OptionError(f'method must be "endpoint" or "delta", not {method!r}.')
        if not 0 < alpha < 1:
            raise OptionError(f"alpha={alpha!r} is not possible; give a number between 0 and 1.")
        if obs:
            if method != "endpoint":
                raise OptionError('method="delta" is for means; leave it out with obs=True.')
            return self._new_interval(alpha)
        if method == "endpoint" and self.linpred is not None:
            limits = self.linpred.conf_int(alpha=alpha)
            with np.errstate(all="ignore"):
                means = np.asarray(self.link.inverse(limits), dtype=float)
            if self.one_signed:
                means[limits <= 0] = np.nan
            decreasing = means[:, 0] > means[:, 1]
            means[decreasing] = means[decreasing][:, ::-1]
            return means
        half = self.dist.ppf(1 - alpha / 2, *self.dist_args) * self.se_mean
        return np.column_stack([self.predicted_mean - half, self.predicted_mean + half])

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return predictions, standard errors and intervals as a table.

        Parameters
        ----------
        alpha : float
            The intervals have level 1 - alpha.

        Returns
        -------
        DataFrame
            ``mean``, ``mean_se``, ``mean_ci_lower`` and ``mean_ci_upper``, and for a new
            response ``obs_ci_lower`` and ``obs_ci_upper``; these two are not there where there
            can be none, as ``conf_int(obs=True)`` says, or where it draws responses for them.

        Raises
        ------
        OptionError
            If alpha is not between 0 and 1.

        See Also
        --------
        MixedPrediction.conf_int

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.get_prediction(pd.DataFrame({"days": [0, 9]})).summary_frame().round(1)
            mean  mean_se  mean_ci_lower  mean_ci_upper  obs_ci_lower  obs_ci_upper
        0  251.4      9.5          232.8          270.0         156.6         346.3
        1  345.6      9.5          327.0          364.2         250.8         440.5
        """
        lower, upper = self.conf_int(alpha=alpha).T
        table = {
            "mean": self.predicted_mean,
            "mean_se": self.se_mean,
            "mean_ci_lower": lower,
            "mean_ci_upper": upper,
        }
        if isinstance(self.new, NewResponses):
            table["obs_ci_lower"], table["obs_ci_upper"] = self.conf_int(alpha=alpha, obs=True).T
        self.table = table
        return pd.DataFrame(table, index=self.row_labels)

    def _new(self) -> NewResponses | DrawnResponses:
        new = self.new() if callable(self.new) else self.new
        if isinstance(new, str):
            raise OptionError(f"there are no intervals for new responses: {new}.")
        return new

    def _new_interval(self, alpha: float) -> Array:
        new = self._new()
        if not isinstance(new, NewResponses):
            return new.quantiles((alpha / 2, 1 - alpha / 2))
        if new.spec is None or new.normal:
            half = stdtrit(self.df_new, 1 - alpha / 2) * self.se_obs
            return np.column_stack([self.predicted_mean - half, self.predicted_mean + half])
        found: Array = load("prediction.new_response_quantiles:predictive_quantiles")(
            new.spec,
            new.dispersion,
            new.linear,
            np.sqrt(new.variance),
            new.weights,
            (alpha / 2, 1 - alpha / 2),
        )
        return found
