"""What a generalized fit predicts: the methods of its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..._typing import Array
from ...options import ChecksOptions
from ...prediction.predict import get_prediction, predict
from ...prediction.rows import open_new_data

if TYPE_CHECKING:
    from ...prediction.results import MixedPrediction
    from ...results.fitted_model import FittedModel

__all__ = ["GeneralizedPredictions"]


class GeneralizedPredictions(ChecksOptions):
    """`predict` and `get_prediction`, for the class of results of generalized models."""

    model: FittedModel

    def predict(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        which: str = "mean",
        re: bool | str | Sequence[str] = False,
        new_levels: str = "error",
        offset: Any = None,
        exposure: Any = None,
    ) -> Array | pd.Series:
        """Predict the mean of the response, or the linear predictor.

        Parameters
        ----------
        exog : frame, mapping or array, optional
            New data; without it, the rows of the fit. With `transform` a table with the
            columns of the formula; otherwise the fixed-effects matrix itself. Columns of the
            response and of random effects that are not added are not needed.
        transform : bool
            Whether `exog` goes through the formula.
        which : {"mean", "linear"}
            The mean, or the linear predictor.
        re : bool, str or list of str
            The random effects to add, at their conditional modes: none (the default: the
            mean is that of a typical level, not the average over levels), all, those of a grouping
            factor or of a list of them, or terms as in a formula, ``"(0 + days | subj)"``.
            Terms may name some of the effects of a term of the model.
        new_levels : {"error", "population", "missing"}
            With `re`, what to do with levels the fit has not seen: refuse, take zero for their
            random effects (also where the level is missing), or predict NaN.
        offset, exposure : array or column name, optional
            Those of the new rows. When the model took its own from a column, the column of
            that name in `exog` is taken.

        Returns
        -------
        ndarray or Series, shape (m,)
            A Series with the index of `exog` when that is a frame. Rows of new data with
            missing values give NaN.

        Raises
        ------
        DataError
            If a column, an offset or an exposure is missing, or a level is new and may not be.
        OptionError
            If `re` names what is not in the model.

        See Also
        --------
        GeneralizedLinearMixedModelResults.get_prediction

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
        >>> new = pd.DataFrame({"urban": ["N", "Y"]})
        >>> fit.predict(new).round(3).tolist(), fit.predict(new, which="linear").round(3).tolist()
        ([0.332, 0.488], [-0.7, -0.05])
        """
        new = open_new_data(self.model, exog, transform, offset=offset, exposure=exposure)
        return predict(
            self,  # type: ignore[arg-type]
            new,
            which=which,
            re=re,
            new_levels=new_levels,
        )

    def get_prediction(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        which: str = "mean",
        re: bool | str | Sequence[str] = False,
        new_levels: str = "error",
        row_labels: Sequence[Any] | None = None,
        offset: Any = None,
        exposure: Any = None,
        weights: Any = None,
    ) -> MixedPrediction:
        """Predict with standard errors, and with intervals for means and new responses.

        Parameters
        ----------
        exog, transform, which, re, new_levels, offset, exposure
            As in `predict`.
        row_labels : sequence, optional
            Index of the table that `summary_frame()` returns.
        weights : array or column name, optional
            Prior weights of new rows, numbers of trials for a binomial family, for intervals
            of new responses. When the model's own weights are a column, the column of that
            name in `exog` is taken.

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
        GeneralizedLinearMixedModelResults.predict, MixedPrediction

        Notes
        -----
        Without `re` the standard errors are those of X beta, from `cov_params()`. With `re`
        they are those of X beta + Z b given theta and the dispersion, from the joint curvature
        in beta and b at the conditional modes, with the expected information. A level the fit
        has not seen is predicted by zero (``new_levels="population"``); what its random
        effects may be, z'Sigma z, is part of its standard error. Standard errors of means are
        by the delta method; the intervals of means are those of the linear predictor,
        transformed.

        Intervals of new responses (``which="mean"``) have the quantiles of the family's
        distribution mixed over a normal distribution of the linear predictor, to whose
        variance random effects left out of the prediction add z'Sigma z: without `re` the
        response is one at new levels. That takes the columns of these random effects, though
        not those of their grouping factors. The response is a proportion of the trials for a
        binomial family and a mean of counts for a weighted Poisson family.

        References
        ----------
        Booth and Hobert (1998), Journal of the American Statistical Association 93, 262-272.

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
        >>> new = pd.DataFrame({"urban": ["N", "Y"]})
        >>> fit.get_prediction(new).conf_int().round(3)
        array([[0.296, 0.369],
               [0.432, 0.543]])
        """
        given = {"offset": offset, "exposure": exposure, "weights": weights}
        new = open_new_data(self.model, exog, transform, **given)
        return get_prediction(
            self,  # type: ignore[arg-type]
            new,
            which=which,
            re=re,
            new_levels=new_levels,
            row_labels=row_labels,
        )
