"""A linear mixed model at parameters that are given: objective, gradient, mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.genmod.families.links import Identity

from ..._typing import Array, Numbers
from ...fitting.crossprod import SharedStructure, linear_structure
from ...fitting.linear.penalized_least_squares import objective, objective_and_gradient
from ...frame.design import Design
from ...frame.design_checks import check_groupings, check_linear_response, check_random_columns
from ..base import MixedModel

__all__ = ["LinearEvaluation"]


class LinearEvaluation(MixedModel):
    """What a `LinearMixedModel` is of its response and groups, before any fit."""

    link = Identity()
    _title = "Linear mixed model"
    _no_weights = 1.0
    _own_places = True

    def _prepare(self, design: Design, rows: pd.Index | None) -> Design:
        """Refuse responses and groups that no linear model can have."""
        check_linear_response(design)
        check_random_columns(design)
        # One level per row is in order when sigma is given, which only `fit` knows.
        check_groupings(design, allow_observation_level=True)
        return design

    def _analyse(self, design: Design) -> SharedStructure:
        return linear_structure(design)

    def objective(self, theta: Numbers, reml: bool = False) -> float:
        """Return -2 log-likelihood, or the REML criterion, at given covariance parameters.

        Parameters
        ----------
        theta : array_like, shape (n_theta,)
            Covariance parameters.
        reml : bool
            Return the REML criterion.

        Returns
        -------
        float

        Raises
        ------
        OptionError
            If theta has not n_theta finite elements.
        DataError
            If the data were removed.

        See Also
        --------
        LinearMixedModel.gradient, LinearMixedModel.loglike

        References
        ----------
        Bates, Maechler, Bolker and Walker (2015), Journal of Statistical Software 67(1).

        Examples
        --------
        >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
        >>> round(model.objective([1.0]), 3)
        1794.774
        """
        return float(objective(self.sufficient_design(), self._theta(theta), reml=reml, sigma=None))

    def gradient(self, theta: Numbers, reml: bool = False) -> Array:
        """Return the gradient of `objective`.

        Parameters
        ----------
        theta, reml
            As for `objective`.

        Returns
        -------
        ndarray, shape (n_theta,)

        Raises
        ------
        OptionError
            If theta has not n_theta finite elements.
        DataError
            If the data were removed.

        See Also
        --------
        LinearMixedModel.objective, LinearMixedModel.score

        Examples
        --------
        >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
        >>> model.gradient([1.0]).round(3)
        array([-9.3])
        """
        design = self.sufficient_design()
        _, gradient = objective_and_gradient(design, self._theta(theta), reml=reml, sigma=None)
        return np.asarray(gradient)

    def predict(
        self, params: Numbers, exog: Numbers | None = None, offset: Numbers | None = None
    ) -> Array:
        """Return the fixed part of the mean, X beta + offset.

        Parameters
        ----------
        params : array_like, shape (p,) or (rank,)
            Coefficients of all columns of X, or of the estimable ones.
        exog : array_like, shape (m, p), optional
            Fixed-effects matrix; without it that of the model, with the model's offset.
        offset : array_like, shape (m,), optional
            Offset to add.

        Returns
        -------
        ndarray, shape (m,)

        Raises
        ------
        DataError
            If the coefficients do not go with the columns, or the data were removed.

        See Also
        --------
        LinearMixedModelResults.predict

        Examples
        --------
        >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
        >>> model.predict([250.0, 10.0])[:3]
        array([250., 260., 270.])
        """
        return self._linear_predictor(params, exog, offset)
