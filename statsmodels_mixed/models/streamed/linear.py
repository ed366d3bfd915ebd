"""Linear mixed models of data that are read by batches, and their results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper

from ...errors import DataError
from ...fitting.estimates import LinearEstimates
from ...formula.terms import MixedFormula
from ...frame.design import NEEDS_ROWS, Design
from ...frame.design_checks import check_groupings, check_linear_response, check_random_columns
from ...frame.model_frame import ModelFrame
from ...results.layout import Layout
from ...streams.learn import learn_frame
from ...streams.parquet import write_parquet
from ...streams.reduce import reduce_rows
from ..linear.model import LinearMixedModel
from ..linear.results import LinearMixedModelResults, LinearMixedModelResultsWrapper
from .read_by_batches import ReadByBatches

__all__ = ["StreamedLinearMixedModel", "StreamedLinearMixedModelResults"]

# Weights from the inverse of this on, or below it, are no ordinary ones.
FAR = 1e-100


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

    _without_rows = NEEDS_ROWS

    write_parquet = write_parquet

    def __init__(
        self, model: StreamedLinearMixedModel, estimates: LinearEstimates, layout: Layout
    ) -> None:
        super().__init__(model, estimates.without_rows(), layout)


class StreamedLinearMixedModel(ReadByBatches, LinearMixedModel):
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

    def _read(
        self, terms: MixedFormula, data: Any, *, progress: bool | None = None, **options: Any
    ) -> tuple[Design, ModelFrame]:
        self.source = data
        self.learned = learn_frame(terms, data, progress=progress, **options)
        design, reduction = reduce_rows(self.learned, data, progress)
        self.subset = options["subset"]
        self._describe(reduction.described, reduction.root(design))
        self._extremes = np.array([reduction.least, reduction.most])
        self._largest_offset, self._extreme_weights = reduction.largest_offset, reduction.weights
        return design, self.learned.frame.without_rows()

    def _prepare(self, design: Design, rows: pd.Index | None) -> Design:
        offset = np.array([self._largest_offset])
        check_linear_response(replace(design, y=self._extremes, offset=offset))
        try:
            check_random_columns(design)
        except DataError:
            self._refuse_weights()
            raise
        check_groupings(design, allow_observation_level=True)
        return design

    def _refuse_weights(self) -> None:
        """Refuse weights, with whose roots all columns were multiplied, if they are the cause."""
        least, most = self._extreme_weights
        if most > 1 / FAR or 0 < most < FAR:
            size, change = ("large", "divide") if most > 1 else ("small", "multiply")
            raise DataError(
                f"the weights are so {size} (from {least:.3g} to {most:.3g}) that products with "
                f"them are beyond the range of numbers: {change} them by a power of ten."
            )

    @property
    def sufficient(self) -> Design | None:
        """Few rows with the same likelihood."""
        return self.reduced


if TYPE_CHECKING:
    _Wrapped = StreamedLinearMixedModelResults
else:
    _Wrapped = object


class StreamedLinearMixedModelResultsWrapper(LinearMixedModelResultsWrapper, _Wrapped):
    """`StreamedLinearMixedModelResults` with pandas labels on its arrays."""


populate_wrapper(StreamedLinearMixedModelResultsWrapper, StreamedLinearMixedModelResults)
StreamedLinearMixedModelResults.wrapper = StreamedLinearMixedModelResultsWrapper
