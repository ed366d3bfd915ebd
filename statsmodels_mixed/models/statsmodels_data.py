"""What statsmodels calls the data of a model: arrays, names and row labels.

Nothing here is evaluated or copied when a model is made, and everything can be
pickled: statsmodels' own class evaluates the formula again when it is loaded, in
a place that it guesses, and patsy's description of a design refuses to be saved.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.base.data import PandasData

from .._typing import Array
from ..errors import DataError, OptionError
from ..fitting.fixed_effects.estimability import Estimability
from ..frame.design import Design
from ..frame.matrices.expressions import IN_FORMULA
from ..frame.model_frame import ModelFrame
from ..frame.new_data import NewData
from ..frame.table.columns import is_text
from ..frame.table.sources import Sources

__all__ = ["FixedDesign", "FixedRows", "MixedData"]


# Where the rows of a fit keep an offset that was given as an array.
OFFSET = "(offset)"


@lru_cache(maxsize=128)
def _index(names: tuple[str, ...]) -> pd.Index:
    """Return the index of these names, kept for models of the same columns."""
    return pd.Index(names)


class FixedRows(np.ndarray):
    """A fixed-effects matrix that carries the offset of its rows.

    Attributes
    ----------
    offset : ndarray, shape (m,), or None
        It stays with the matrix when rows are taken.
    """

    offset: Array | None = None

    def __array_finalize__(self, made_from: Any) -> None:
        """Keep the offset where the rows are the same."""
        offset = getattr(made_from, "offset", None)
        if offset is not None and self.shape[:1] == offset.shape:
            self.offset = offset

    def __getitem__(self, key: Any) -> Any:
        """Take the offset of rows that are taken."""
        taken = super().__getitem__(key)
        rows = key[0] if isinstance(key, tuple) and key else key
        if isinstance(taken, FixedRows):
            simple = isinstance(rows, slice | list | np.ndarray)
            taken.offset = self.offset[rows] if simple and self.offset is not None else None
        return taken


class FixedDesign:
    """The fixed-effects matrix as a function of new data.

    marginaleffects calls it: a spline basis or a centered column then keeps what it
    learned from the rows of the fit, and an offset goes with the rows. It tests everything with
    df_resid degrees of freedom, and so refuses fits whose tests have others.

    Parameters
    ----------
    frame : ModelFrame
        The frame of the model.
    sources : Sources or None
        Where the model has its offset and exposure from.
    dof : str or None
        Where the result behind which the model is seen has its degrees of freedom from, if these
        are not df_resid.
    """

    def __init__(
        self, frame: ModelFrame, sources: Sources | None = None, dof: str | None = None
    ) -> None:
        self.frame = frame
        self.sources = sources
        self.dof = dof

    def __call__(self, data: Any) -> tuple[None, FixedRows]:
        """Return None (for the response) and the matrix, shape (m, p).

        Raises
        ------
        OptionError
            If tests of the result have other degrees of freedom.
        """
        if self.dof is not None:
            raise OptionError(
                "marginaleffects tests everything with df_resid degrees of freedom, not with "
                f"those of dof={self.dof!r}: use emmeans() of this fit, or give marginaleffects "
                "fit.with_inference(dof=None)."
            )
        new = NewData.of_table(data, self.frame)
        rows = new.fixed().view(FixedRows)
        rows.offset = self.offset(new)
        return None, rows

    def offset(self, new: NewData) -> Array | None:
        """Return the offset of new rows, log exposure included."""
        total = new.computed(IN_FORMULA) if IN_FORMULA in self.frame.known else None
        given = False
        for source in (self.sources.offset, self.sources.exposure) if self.sources else ():
            if source.needed and source.column is None:
                given = True
            elif source.needed:
                values = new.values_of(source)
                assert values is not None
                values = np.log(values) if source.option == "exposure" else values
                total = values if total is None else total + values
        if given:
            own = self._kept_offset(new)
            total = own if total is None else total + own
        return total

    def _kept_offset(self, new: NewData) -> Array:
        try:
            return new.column(OFFSET, OFFSET)
        except DataError as error:
            raise DataError(
                f"the offset or exposure of the model was given as an array: the new rows need a "
                f"column {OFFSET!r} with their offset (log exposure)."
            ) from error


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

    @property
    def model_spec(self) -> NoReturn:
        """Not there: terms are looked up in the frame, and what of statsmodels asks is anova_lm."""
        raise AttributeError(
            "a mixed model has no sums of squares for anova_lm: anova() of its fit tests the terms."
        )

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_cache", "frame")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _cache={})

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The columns the formula needs, for the rows used, as other packages see them.

        Text is categorical, and an offset that was given as an array is a column.
        """
        if self.model_frame is None:
            raise AttributeError("frame.")
        table = self.model_frame.table
        text = {
            name: pd.Categorical(column, ordered=False)
            for name, column in table.items()
            if not isinstance(column.dtype, pd.CategoricalDtype) and is_text(column.array)
        }
        table = table.assign(**text) if text else table
        given = self._given_offset()
        return table if given is None else table.assign(**{OFFSET: given})

    # Offset and exposure of the rows together, and where they come from.
    _offset: tuple[Sources, Array] | None = None

    def note_sources(self, sources: Sources, offset: Array | None) -> None:
        """Note where offset and exposure of the model come from; `offset` is their sum, (n,)."""
        if self.model_frame is not None:
            self.design_info = FixedDesign(self.model_frame, sources)
            self._offset = None if offset is None else (sources, offset)

    def _given_offset(self) -> Array | None:
        """Return the part of the offset of the rows that was given as an array, (n,)."""
        if self._offset is None or self.model_frame is None or not len(self.model_frame.index):
            return None
        sources, total = self._offset
        arrays = [s for s in (sources.offset, sources.exposure) if s.needed and s.column is None]
        if not arrays:
            return None
        known = replace(sources, **{s.option: replace(s, needed=False) for s in arrays})
        rows = NewData.of_table(self.model_frame.table, self.model_frame)
        rest = FixedDesign(self.model_frame, known).offset(rows)
        return total if rest is None else total - rest

    def seen_with(self, own: str | None) -> MixedData:
        """Return these data as they are seen behind a result with degrees of freedom of its own."""
        design = vars(self).get("design_info")
        if design is None or design.dof == own:
            return self
        other = copy.copy(self)
        other.design_info = FixedDesign(design.frame, design.sources, own)
        return other

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

    def keep_columns(self, columns: NDArray[np.intp], X: Array) -> None:
        """Note that results have coefficients of some columns of X only, (rank,) positions."""
        self.param_names = [self.xnames[i] for i in columns]
        self.estimability = Estimability.of(X, columns)

    def without_rows(self) -> MixedData:
        """Return a copy that holds no data."""
        bare = object.__new__(MixedData)
        state = {**self.__getstate__(), "k_constant": self.k_constant}
        bare.__dict__.update(state, _cache={}, endog=None, exog=None)
        bare.row_labels = None if self.row_labels is None else self.row_labels[:0]
        if self.model_frame is not None:
            bare.model_frame = self.model_frame.without_rows()
            bare._offset = None
            kept = self.design_info
            bare.design_info = FixedDesign(bare.model_frame, kept.sources, kept.dof)
        return bare

    def attach_columns(self, result: Array) -> pd.Series | pd.DataFrame:
        """Put the names of the coefficients on an array; pandas takes longest to make an index."""
        names = self.param_names
        kept = self._cache.get("index")
        if kept is None or kept[0] is not names:
            # Of its own, since the name of an index can be changed.
            kept = self._cache["index"] = (names, _index(tuple(names)).view())
        return (pd.Series if result.ndim <= 1 else pd.DataFrame)(result, index=kept[1])

    def wrap_output(self, obj: Any, how: str = "columns", names: Any = None) -> Any:
        """Put pandas labels on what a result returns (called by statsmodels' wrapper)."""
        if not self.labelled:
            return obj
        return (
            self.attach_columns(obj) if how == "columns" else super().wrap_output(obj, how, names)
        )
