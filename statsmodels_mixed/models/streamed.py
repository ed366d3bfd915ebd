"""Linear mixed models of data that are read by batches, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from patsy.eval import EvalEnvironment
from statsmodels.base.wrapper import populate_wrapper

from ..errors import DataError, OptionError
from ..fitting.estimates import LinearEstimates
from ..formula.terms import MixedFormula
from ..frame.design import Design
from ..frame.design_checks import check_groupings, check_linear_response, check_random_columns
from ..frame.model_frame import ModelFrame, RowSummary
from ..results.layout import Layout
from ..streams.batches import head_of
from ..streams.learn import Learned, learn_frame
from ..streams.parquet import write_parquet
from ..streams.reduce import reduce_rows
from ..streams.sources import BATCH_ROWS, TableSource, open_source
from .linear import LinearMixedModel
from .linear_results import LinearMixedModelResults, LinearMixedModelResultsWrapper
from .mixedlm_arguments import attach_groups, translate

__all__ = ["StreamedLinearMixedModel", "StreamedLinearMixedModelResults"]


_NEEDS_ROWS = (
    "this needs all rows, and the data were read by batches and are not in memory: "
    "write_parquet() of the fit writes fitted values and residuals to a file, and predict() takes "
    "rows as new data."
)


class StreamedLinearMixedModelResults(LinearMixedModelResults):
    """The fit of a `StreamedLinearMixedModel`.

    What needs a value for every row is refused, but for `write_parquet`.

    See Also
    --------
    LinearMixedModelResults

    Examples
    --------
    >>> import pyarrow.dataset
    >>> sleep = pyarrow.dataset.dataset(pyarrow.Table.from_pandas(datasets.load("sleepstudy")))
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", sleep).fit()
    >>> fit.bse.round(2).to_dict(), fit.predict({"days": [1.0]}).round(1)
    ({'Intercept': 6.63, 'days': 1.5}, array([261.9]))
    """

    _without_rows = _NEEDS_ROWS

    write_parquet = write_parquet

    def __init__(
        self, model: StreamedLinearMixedModel, estimates: LinearEstimates, layout: Layout
    ) -> None:
        super().__init__(model, estimates.without_rows(), layout)


class StreamedLinearMixedModel(LinearMixedModel):
    """A `LinearMixedModel` of data that are read by batches; `mixedlm2` makes it.

    Of the data it keeps few rows with the same cross-products, one or more for every combination of
    levels that occurs, and the means and levels of columns. Fits are those of the whole data.

    See Also
    --------
    LinearMixedModel

    Examples
    --------
    >>> import pyarrow.dataset
    >>> sleep = pyarrow.dataset.dataset(pyarrow.Table.from_pandas(datasets.load("sleepstudy")))
    >>> model = mixedlm2("reaction ~ days + (days | subj)", sleep)
    >>> model
    <StreamedLinearMixedModel: reaction ~ 1 + days + (1 + days | subj); 180 rows>
    >>> model.fit().params.round(2).to_dict()
    {'Intercept': 251.41, 'days': 10.47}
    """

    _results = StreamedLinearMixedModelResults
    of_memory = LinearMixedModel
    source: TableSource
    learned: Learned
    reduced: Design | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise OptionError("a model of data that are read by batches is made from a formula.")

    def _from_formula(
        self,
        formula: str | MixedFormula,
        data: Any,
        groups: Any,
        re_formula: str | None,
        vc_formula: Mapping[str, str] | None,
        *,
        eval_env: int | EvalEnvironment | Mapping[str, Any],
        batch_rows: int = BATCH_ROWS,
        **options: Any,
    ) -> Self:
        if isinstance(eval_env, int) and eval_env >= 0:
            eval_env = EvalEnvironment.capture(eval_env, reference=3)
        if not isinstance(batch_rows, int) or batch_rows < 1:
            raise OptionError(f"batch_rows= is a positive number of rows, not {batch_rows!r}.")
        source = open_source(data, batch_rows)
        if groups is not None:
            if not isinstance(groups, str):
                raise OptionError("groups= must be a column, since the data are read by batches.")
            table, column = attach_groups(head_of(source), groups)
            formula = translate(formula, table, column, re_formula, vc_formula)
            groups = re_formula = vc_formula = None
        return super()._from_formula(
            formula, source, groups, re_formula, vc_formula, eval_env=eval_env, **options
        )

    def _read(
        self, terms: MixedFormula, data: Any, *, progress: bool | None = None, **options: Any
    ) -> tuple[Design, ModelFrame]:
        self.source = data
        self.learned = learn_frame(terms, data, progress=progress, **options)
        design, reduction = reduce_rows(self.learned, data, progress)
        self.sample, self.subset = self.learned.frame, options["subset"]
        self._described = reduction.described
        self._extremes = np.array([reduction.least, reduction.most])
        return design, self.learned.frame.without_rows()

    def _prepare(self, design: Design, rows: pd.Index | None) -> Design:
        check_linear_response(replace(design, y=self._extremes))
        check_random_columns(design)
        check_groupings(design, allow_observation_level=True)
        return design

    def _attach(
        self, design: Design, rows: pd.Index | None, frame: ModelFrame | None, n_dropped: int
    ) -> None:
        super()._attach(design, rows, frame, n_dropped)
        assert design.reduced is not None
        self.data.k_constant = design.reduced.k_constant
        self.data = self.data.without_rows()
        self.design = self.endog = self.exog = self.weights = self.offset = None
        self.reduced = design

    def _note_sources(self, *, weights: Any = None, **options: Any) -> None:
        super()._note_sources(weights=weights, **options)
        nothing = np.empty(0)
        self.weights = None if weights is None else nothing
        self.offset = None if options.get("offset") is None else nothing

    def _is_weighted(self, given: Any) -> bool:
        return given is not None

    def kept_design(self) -> Design:
        """Refuse what needs all rows.

        Raises
        ------
        DataError
            Always.
        """
        raise DataError(_NEEDS_ROWS)

    @property
    def described(self) -> RowSummary | None:
        """Combinations of levels and means of the rows."""
        return None if self.reduced is None else self._described.summary(self.learned.frame)

    @property
    def sufficient(self) -> Design | None:
        """Few rows with the same likelihood."""
        return self.reduced

    def without_data(self) -> Self:
        """Return a copy that cannot be fitted again."""
        bare = super().without_data()
        bare.reduced = None
        return bare


if TYPE_CHECKING:
    _Wrapped = StreamedLinearMixedModelResults
else:
    _Wrapped = object


class StreamedLinearMixedModelResultsWrapper(LinearMixedModelResultsWrapper, _Wrapped):
    """`StreamedLinearMixedModelResults` with pandas labels on its arrays."""


populate_wrapper(StreamedLinearMixedModelResultsWrapper, StreamedLinearMixedModelResults)
StreamedLinearMixedModelResults.wrapper = StreamedLinearMixedModelResultsWrapper
