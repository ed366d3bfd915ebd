"""A generalized mixed model at parameters that are given: objective, gradient, mean."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pandas as pd

from ..._typing import Array, Numbers
from ...errors import DataError, MixedModelWarning, OptionError, warn_caller
from ...fitting.crossprod import SharedStructure
from ...fitting.families.names import Bernoulli, choose_family
from ...fitting.families.response import prepare_response
from ...fitting.families.spec import read_family
from ...fitting.fixed_effects.basis import orthonormal_basis
from ...fitting.generalized.approximation import generalized_structure
from ...fitting.generalized.fit import objective_and_gradient
from ...frame.design import Design
from ...frame.design_checks import check_groupings
from ...prediction.predict import mean_of
from ..base import MixedModel

__all__ = ["GeneralizedEvaluation"]


def _own(family: Any) -> Any:
    """Return a copy, because the objects of statsmodels change when other models use them.

    So do link and variance, but nothing in these.
    """
    own = copy.copy(family)
    parts = {name: each for name, each in vars(family).items() if hasattr(each, "__dict__")}
    vars(own).update({name: copy.copy(each) for name, each in parts.items()})
    return own


class GeneralizedEvaluation(MixedModel):
    """What a `GeneralizedLinearMixedModel` is of its family and data, before any fit."""

    _labels = True
    _title = "Generalized linear mixed model"

    def _set_family(self, family: Any, link: Any, exposure: Any) -> None:
        family = choose_family(family, link)
        self.spec = read_family(family)
        if exposure is not None and self.spec.link != "log":
            raise OptionError(
                f"exposure= needs a log link, not {type(family.link).__name__}: the mean is "
                "proportional to it."
            )
        self.family = _own(family)
        self.link = self.family.link

    def _own_options(self) -> dict[str, Any]:
        return {**super()._own_options(), "family": self.family}

    def _facts(self) -> dict[str, str]:
        return {"Family": self.spec.family.replace("_", " "), "Link": self.spec.link}

    def _prepare(self, design: Design, rows: pd.Index | None) -> Design:
        """Bring the response into the form the numerics know, and check it and the groups."""
        # The label that counts as success, if the response holds labels or truth values.
        levels = design.response_levels
        self.success = levels[1] if levels is not None and len(levels) == 2 else None
        design, self.notes = prepare_response(design, self.spec, rows)
        if isinstance(self.family, Bernoulli) and design.weights is not None:
            raise DataError(
                "a Bernoulli response is one trial for each row: with numbers of trials the family "
                "is binomial."
            )
        for note in self.notes:
            # The callers above: _attach, _from_formula or _from_arrays, their callers, what
            # refuses unknown options, the user.
            warn_caller(note, MixedModelWarning)
        binary = self.spec.family == "binomial" and design.weights is None
        check_groupings(
            design,
            allow_observation_level=not (binary or self.spec.has_dispersion),
            confounded_with="that of a single 0 or 1" if binary else "the dispersion",
        )
        return design

    def _analyse(self, design: Design) -> SharedStructure:
        return generalized_structure(design)

    def objective(
        self,
        theta: Numbers,
        params: Numbers,
        dispersion: float = 1.0,
        *,
        n_agq: int = 1,
        hessian: str | None = None,
    ) -> float:
        """Return -2 log-likelihood as approximated.

        Parameters
        ----------
        theta : array_like, shape (n_theta,)
            Covariance parameters.
        params : array_like, shape (rank,)
            Coefficients of the estimable columns.
        dispersion : float
            phi or alpha, for families that have one.
        n_agq, hessian
            As in `fit`.

        Returns
        -------
        float
            NaN where it cannot be evaluated.

        Raises
        ------
        OptionError
            If a parameter or an option is not possible.
        DataError
            If the data were removed.

        See Also
        --------
        GeneralizedLinearMixedModel.gradient

        References
        ----------
        Pinheiro and Chao (2006), Journal of Computational and Graphical Statistics 15, 58-81.

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> model = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial())
        >>> round(model.objective([0.5], [-0.7, 0.7]), 2)
        2504.17
        """
        return self._evaluate(theta, params, dispersion, n_agq, hessian)[0]

    def gradient(
        self,
        theta: Numbers,
        params: Numbers,
        dispersion: float = 1.0,
        *,
        n_agq: int = 1,
        hessian: str | None = None,
    ) -> Array:
        """Return the gradient of `objective`.

        Parameters
        ----------
        theta, params, dispersion, n_agq, hessian
            As for `objective`.

        Returns
        -------
        ndarray
            Derivatives in theta, params and log dispersion, if there is one.

        Raises
        ------
        OptionError
            If a parameter or an option is not possible.
        DataError
            If the data were removed.

        See Also
        --------
        GeneralizedLinearMixedModel.objective

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> model = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial())
        >>> model.gradient([0.5], [-0.7, 0.7]).round(2)
        array([20.97,  6.69, 10.09])
        """
        return self._evaluate(theta, params, dispersion, n_agq, hessian)[1]

    def _evaluate(
        self,
        theta: Numbers,
        params: Numbers,
        dispersion: float,
        n_agq: int,
        hessian: str | None,
    ) -> tuple[float, Array]:
        design = self.kept_design()
        beta = np.array(params, dtype=float, ndmin=1)
        rank = len(orthonormal_basis(design.X, None).columns)
        if beta.shape != (rank,) or not np.isfinite(beta).all():
            raise OptionError(f"params must be {rank} finite numbers, one per estimable column.")
        if not 0 < dispersion < math.inf:
            raise OptionError(f"dispersion must be a positive number, not {dispersion!r}.")
        if dispersion != 1 and not self.spec.has_dispersion:
            raise OptionError(f"the family {self.spec.family} has no dispersion.")
        value, gradient = objective_and_gradient(
            design,
            self.spec,
            self._theta(theta),
            beta,
            float(dispersion),
            n_agq=n_agq,
            hessian=hessian or self.spec.information,
        )
        return float(value), np.asarray(gradient)

    def predict(
        self,
        params: Numbers,
        exog: Numbers | None = None,
        which: str = "mean",
        offset: Numbers | None = None,
        exposure: Numbers | None = None,
    ) -> Array:
        """Return what the fixed part predicts, with all random effects zero.

        Parameters
        ----------
        params : array_like, shape (p,) or (rank,)
            Coefficients of all columns of X, or of the estimable ones.
        exog : array_like, shape (m, p), optional
            Fixed-effects matrix; without it that of the model, with the model's offset.
        which : {"mean", "linear"}
            The mean, or the linear predictor.
        offset, exposure : array_like, shape (m,), optional
            Offset to add, and exposure whose logarithm to add.

        Returns
        -------
        ndarray, shape (m,)

        Raises
        ------
        DataError
            If the coefficients do not go with the columns, or the data were removed.
        OptionError
            If `which` is neither.

        See Also
        --------
        GeneralizedLinearMixedModelResults.predict

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> model = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial())
        >>> model.predict([-0.7, 0.7])[:2].round(3)
        array([0.5, 0.5])
        """
        return mean_of(self, self._linear_predictor(params, exog, offset, exposure), which)
