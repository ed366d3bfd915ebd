"""A model as statsmodels evaluates likelihoods: at parameters that are given."""

from __future__ import annotations

from typing import Any

from .._typing import Array
from ..frame.design import Design
from ..frame.model_frame import RowSample, RowSummary
from ..options import ChecksOptions

__all__ = ["Evaluated"]


def _absent(model: Any) -> Any:
    """Leave the answer to `__getattr__`, which says what to use."""
    raise AttributeError


class Evaluated(ChecksOptions):
    """`loglike` and `score` of a class of models that says what its objective is, and of what."""

    design: Design | None
    # Methods of likelihood models in statsmodels, which nothing here has behind them.
    hessian = information = property(_absent)

    def kept_design(self) -> Design:
        """Return the arrays of the model; a DataError if they were removed."""
        raise NotImplementedError

    # Where data that are read by batches are read from.
    source: Any = None
    # Which of their rows are used.
    subset: Any = None
    # Of data that were read by batches some rows.
    sample: RowSample | None = None

    @property
    def described(self) -> RowSummary | None:
        """Of data that were read by batches combinations of levels and means; else None."""
        return None

    @property
    def sufficient(self) -> Design | None:
        """Arrays with the same likelihood: those of the model, or few rows for many."""
        return self.design

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
        >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
        >>> len(model.sufficient_design().y)
        180
        """
        return self.kept_design() if self.sufficient is None else self.sufficient

    def objective(self, *args: Any, **kwargs: Any) -> float:
        """Return -2 log-likelihood, or what is minimized in its place."""
        raise NotImplementedError

    def gradient(self, *args: Any, **kwargs: Any) -> Array:
        """Return the gradient of `objective`."""
        raise NotImplementedError

    def loglike(self, *args: Any, **kwargs: Any) -> float:
        """Return the log-likelihood.

        Parameters
        ----------
        args, kwargs
            As for `objective`.

        Returns
        -------
        float

        See Also
        --------
        LinearMixedModel.objective

        Examples
        --------
        >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
        >>> round(model.loglike([1.0]), 3)
        -897.387
        """
        return -self.objective(*args, **kwargs) / 2

    def score(self, *args: Any, **kwargs: Any) -> Array:
        """Return the gradient of `loglike`.

        Parameters
        ----------
        args, kwargs
            As for `objective`.

        Returns
        -------
        ndarray

        See Also
        --------
        LinearMixedModel.gradient

        Examples
        --------
        >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
        >>> model.score([1.0]).round(3)
        array([4.65])
        """
        return -self.gradient(*args, **kwargs) / 2
