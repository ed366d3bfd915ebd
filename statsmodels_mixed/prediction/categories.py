"""Predicted probabilities of ordered categories, with standard errors and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from .._typing import Array
from ..errors import OptionError
from ..tables.document import Document
from ..tables.shown import MOST_ROWS, Shown, table_of

__all__ = ["CategoryPrediction"]


# Of sums of probabilities.
_ROUNDING = 1e-12


class CategoryPrediction(Shown):
    """Predicted probabilities of categories, their standard errors and intervals.

    Parameters
    ----------
    mean, variance : ndarray, shape (m, categories)
        Probabilities and their variances.
    categories : sequence
    row_labels : sequence or None
        Labels of the rows.
    new : callable
        Returns the probabilities of new responses, shape (m, categories), which know that linear
        predictors are estimates and lack the random effects that are left out.

    Attributes
    ----------
    predicted_mean, se_mean : ndarray, shape (m, categories)

    Examples
    --------
    >>> scores = datasets.load("sleepstudy").assign(slow=lambda d: pd.cut(d["reaction"], 3))
    >>> fit = mixedordinal2("slow ~ days + (1 | subj)", scores).fit()
    >>> fit.get_prediction(pd.DataFrame({"days": [0, 9]})).predicted_mean.round(2)
    array([[0.96, 0.04, 0.  ],
           [0.05, 0.71, 0.24]])
    """

    def __init__(
        self,
        mean: Array,
        variance: Array,
        *,
        categories: Sequence[Any],
        row_labels: Sequence[Any] | None,
        new: Callable[[], Array],
    ) -> None:
        self.predicted_mean, self.variance, self.new = mean, variance, new
        self.categories, self.row_labels = tuple(categories), row_labels

    @property
    def se_mean(self) -> Array:
        """Standard errors of the probabilities, shape (m, categories)."""
        return np.sqrt(self.variance)

    def conf_int(self, alpha: float = 0.05, *, obs: bool = False) -> NDArray[Any]:
        """Intervals of the probabilities, or of new responses.

        Parameters
        ----------
        alpha : float
            The level is 1 - alpha.
        obs : bool
            The first and the last category of a new response in each row, beyond which it is with
            a probability of at most alpha / 2 on either side. That is an average over the linear
            predictor, normal with the variance of its estimate and of the random effects that it
            leaves out, given the thresholds.

        Returns
        -------
        ndarray, shape (m, categories, 2)
            Symmetric on the scale of the logits of the probabilities. With `obs` categories, shape
            (m, 2), None where there is no prediction.

        Raises
        ------
        OptionError
            If alpha is not between 0 and 1.

        Examples
        --------
        >>> scores = datasets.load("sleepstudy").assign(slow=lambda d: pd.cut(d["reaction"], 3))
        >>> fit = mixedordinal2("slow ~ days + (1 | subj)", scores).fit()
        >>> fit.get_prediction(pd.DataFrame({"days": [9]})).conf_int().shape
        (1, 3, 2)
        """
        if not 0 < alpha < 1:
            raise OptionError(f"alpha={alpha!r} is not possible; give a number between 0 and 1.")
        if obs:
            return self._new_interval(alpha)
        p = self.predicted_mean
        with np.errstate(all="ignore"):
            half = norm.isf(alpha / 2) * self.se_mean / (p * (1.0 - p))
            return np.stack([expit(logit(p) - half), expit(logit(p) + half)], axis=-1)

    def _new_interval(self, alpha: float) -> NDArray[Any]:
        p = self.new()
        ends = [
            (np.cumsum(side, axis=1) > alpha / 2 + _ROUNDING).argmax(axis=1)
            for side in (p, p[:, ::-1])
        ]
        names = np.empty(len(self.categories), dtype=object)
        names[:] = self.categories
        out = np.stack([names[ends[0]], names[::-1][ends[1]]], axis=1)
        out[np.isnan(p).any(axis=1)] = None
        return out

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return probabilities, standard errors and intervals as a table.

        Parameters
        ----------
        alpha : float
            The intervals have level 1 - alpha.

        Returns
        -------
        DataFrame
            Its columns are pairs: a category, and ``mean``, ``mean_se``, ``mean_ci_lower`` or
            ``mean_ci_upper``.

        Raises
        ------
        OptionError
            If alpha is not between 0 and 1.

        Examples
        --------
        >>> scores = datasets.load("sleepstudy").assign(slow=["no", "yes", "very"] * 60)
        >>> scores["slow"] = pd.Categorical(scores["slow"], ["no", "yes", "very"], ordered=True)
        >>> fit = mixedordinal2("slow ~ days + (1 | subj)", scores).fit()
        >>> fit.get_prediction(pd.DataFrame({"days": [9]})).summary_frame()["no"].round(1)
           mean  mean_se  mean_ci_lower  mean_ci_upper
        0   0.3      0.1            0.2            0.4
        """
        limits = self.conf_int(alpha)
        tables = {
            category: pd.DataFrame(
                {
                    "mean": self.predicted_mean[:, r],
                    "mean_se": self.se_mean[:, r],
                    "mean_ci_lower": limits[:, r, 0],
                    "mean_ci_upper": limits[:, r, 1],
                },
                index=self.row_labels,
            )
            for r, category in enumerate(self.categories)
        }
        return pd.concat(tables, axis=1)

    def __repr__(self) -> str:
        m, k = self.predicted_mean.shape
        return f"<{type(self).__name__}: {m} rows, {k} categories>"

    def _document(self) -> Document:
        most = 2 * MOST_ROWS
        frame = pd.DataFrame(
            self.predicted_mean, index=self.row_labels, columns=[str(c) for c in self.categories]
        )
        notes = [f"The first {most} of {len(frame)} rows."] if len(frame) > most else []
        return Document("Predicted probabilities", [table_of(frame, most=most)], notes)
