"""What `fit` returns: results whose arrays have pandas labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from statsmodels.base.model import LikelihoodResultsWrapper

from .._typing import Numbers
from ..options import ChecksOptions
from .base import MixedModelResults
from .linear_hypotheses import coefficient_positions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MixedModelResultsWrapper"]


class MixedModelResultsWrapper(ChecksOptions, LikelihoodResultsWrapper):  # type: ignore[misc]
    """Results with pandas labels on their arrays: what `fit` returns.

    A model made from arrays without labels gives arrays where the types say pandas.
    """

    # Types of what gets labels; statsmodels' wrapper attaches them on access.
    params: pd.Series
    bse: pd.Series
    tvalues: pd.Series
    pvalues: pd.Series
    fittedvalues: pd.Series
    resid: pd.Series
    normalized_cov_params: pd.DataFrame

    # What statsmodels' wrapper does for each attribute only for those that the wrapper has not.
    __getattribute__ = object.__getattribute__

    if not TYPE_CHECKING:  # type checkers know what there is

        def __getattr__(self, name: str) -> Any:
            own = self.__dict__
            if "_results" not in own:  # while it is being loaded
                raise AttributeError(name)
            found = getattr(own["_results"], name)
            how = self._wrap_attrs.get(name)
            if not how:
                return found
            label = own["_results"].model.data.wrap_output
            return label(found, *how) if isinstance(how, tuple) else label(found, how)

    def cov_params(  # noqa: D102  (documented where it is computed)
        self,
        r_matrix: Any = None,
        column: Any = None,
        scale: float | None = None,
        cov_p: Numbers | None = None,
        other: Any = None,
    ) -> pd.DataFrame:
        results = self._results
        matrix = results.cov_params(r_matrix, column, scale, cov_p, other)
        if r_matrix is not None or np.ndim(matrix) != 2:
            return cast("pd.DataFrame", matrix)  # combinations have no names, a number needs none
        if column is None:
            return cast("pd.DataFrame", results.model.data.wrap_output(matrix, "cov"))
        kept = coefficient_positions(column, results.fixefnames)
        everything = self.cov_params()
        return everything.iloc[kept, kept] if hasattr(everything, "iloc") else matrix

    cov_params.__doc__ = MixedModelResults.cov_params.__doc__

    if TYPE_CHECKING:

        def conf_int(  # noqa: D102
            self, alpha: float = 0.05, method: str = "wald"
        ) -> pd.DataFrame: ...

    _wrap_attrs = LikelihoodResultsWrapper._wrap_attrs
    _wrap_methods: ClassVar[dict[str, str]] = {
        name: how
        for name, how in LikelihoodResultsWrapper._wrap_methods.items()
        if name != "cov_params"  # statsmodels has the labels of all coefficients for it
    }

    def __repr__(self) -> str:
        return repr(self._results)

    def __str__(self) -> str:
        return str(self._results)

    def _repr_html_(self) -> str:
        return str(self._results._repr_html_())
