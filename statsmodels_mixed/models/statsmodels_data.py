"""What statsmodels calls the data of a model: arrays, names and row labels.

Nothing here is evaluated or copied when a model is made, and everything can be
pickled: statsmodels' own class evaluates the formula again when it is loaded, in
a place that it guesses, and patsy's description of a design refuses to be saved.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.base.data import PandasData

from ..fitting.estimability import Estimability
from ..frame.design import Design
from ..frame.model_frame import ModelFrame
from ..frame.new_data import NewData

__all__ = ["FixedDesign", "MixedData"]

Array = NDArray[np.float64]


class FixedDesign:
    """The fixed-effects matrix as a function of new data.

    marginaleffects calls it: a spline basis or a centered column then keeps what it
    learned from the rows of the fit.

    Parameters
    ----------
    frame : ModelFrame
        The frame of the model.
    """

    def __init__(self, frame: ModelFrame) -> None:
        self.frame = frame

    def __call__(self, data: Any) -> tuple[None, Array]:
        """Return None (for the response) and the matrix, shape (m, p)."""
        return None, NewData.of_table(data, self.frame).fixed()


class MixedData(PandasData):  # type: ignore[misc]
    """Names and labels for the arrays of a mixed model and of its results.

    Parameters
    ----------
    design : Design
        The arrays.
    row_labels : Index or None
        The user's labels of the rows used; None when the model was made from NumPy
        arrays, whose results stay NumPy arrays.
    model_frame : ModelFrame, optional
        The frame, when the model was made from a formula.
    """

    def __init__(
        self,
        design: Design,
        row_labels: pd.Index | None,
        model_frame: ModelFrame | None = None,
    ) -> None:
        self.endog: Array | None = design.y
        self.exog: Array | None = design.X
        self.ynames = design.response_name
        self.xnames = list(design.x_names)
        self.row_labels = row_labels
        self.labelled = row_labels is not None
        self.model_frame = model_frame
        self._cache: dict[str, Any] = {}
        if model_frame is not None:
            self.formula = model_frame.formula.fixed_formula
            self.design_info = FixedDesign(model_frame)

    # statsmodels computes and caches these; here they are plain values.
    ynames: str = ""
    xnames: list[str] = []  # noqa: RUF012 - always replaced by __init__
    row_labels: pd.Index | None = None

    # There is no patsy or formulaic object; terms are looked up in the frame.
    model_spec = None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_cache", "frame")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _cache={})

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The columns the formula needs, for the rows used."""
        if self.model_frame is None:
            raise AttributeError("frame.")
        return self.model_frame.table

    @cached_property
    def k_constant(self) -> int:
        """1 when the columns of X span a constant, else 0."""
        x = self.exog
        if x is None or x.shape[1] == 0:
            return 0
        if np.any(np.all(x == x[:1], axis=0) & (x[0] != 0)):
            return 1
        ones = np.ones(len(x))
        projected = x @ np.linalg.lstsq(x, ones, rcond=None)[0]
        return int(np.allclose(projected, ones, rtol=0, atol=1e-8))

    @property
    def orig_endog(self) -> pd.Series | Array:
        """The response with its labels."""
        if not self.labelled:
            return self.endog
        return pd.Series(self.endog, index=self.row_labels, name=self.ynames)

    @property
    def orig_exog(self) -> pd.DataFrame | Array:
        """The fixed-effects matrix with its labels."""
        if not self.labelled:
            return self.exog
        return pd.DataFrame(self.exog, index=self.row_labels, columns=self.xnames)

    # How columns that were dropped depend on the others; None if none were.
    estimability: Estimability | None = None

    def keep_columns(self, columns: NDArray[np.intp]) -> None:
        """Note that results have coefficients of some columns of X only, (rank,) positions."""
        assert self.exog is not None
        self.param_names = [self.xnames[i] for i in columns]
        self.estimability = Estimability.of(self.exog, columns)

    def without_rows(self) -> MixedData:
        """Return a copy that holds no data."""
        bare = object.__new__(MixedData)
        state = {**self.__getstate__(), "k_constant": self.k_constant}
        bare.__dict__.update(state, _cache={}, endog=None, exog=None)
        bare.row_labels = None if self.row_labels is None else self.row_labels[:0]
        if self.model_frame is not None:
            bare.model_frame = self.model_frame.without_rows()
            bare.design_info = FixedDesign(bare.model_frame)
        return bare

    def attach_columns(self, result: Array) -> pd.Series | pd.DataFrame:
        """Put the names of the coefficients on an array; pandas takes longest to make an index."""
        names = self.param_names
        kept = self._cache.get("index")
        if kept is None or kept[0] is not names:
            kept = self._cache["index"] = (names, pd.Index(names))
        return (pd.Series if result.ndim <= 1 else pd.DataFrame)(result, index=kept[1])

    def wrap_output(self, obj: Any, how: str = "columns", names: Any = None) -> Any:
        """Put pandas labels on what a result returns (called by statsmodels' wrapper)."""
        return super().wrap_output(obj, how, names) if self.labelled else obj
