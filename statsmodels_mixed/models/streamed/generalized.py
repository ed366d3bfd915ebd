"""Generalized linear mixed models of data that are read by batches, and their results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper

from ...errors import DataError, MixedModelWarning, OptionError, warn_caller
from ...fitting.estimates import GeneralizedEstimates
from ...fitting.fixed_effects.basis import OnBasis
from ...fitting.separation import Separation, suspected_separation
from ...fitting.streamed.generalized import (
    SolvedStream,
    check_streamed,
    fit_streamed_generalized,
)
from ...fitting.streamed.problem import StreamedDesign
from ...formula.terms import MixedFormula
from ...frame.design import NEEDS_ROWS, Design
from ...frame.design_checks import check_groupings, check_random_columns
from ...frame.model_frame import ModelFrame
from ...results.layout import Layout
from ...streams.learn import learn_frame
from ...streams.outline import Outline
from ...streams.parquet import write_parquet
from ..generalized.model import GeneralizedLinearMixedModel
from ..generalized.results import (
    COMPLETE,
    EXACT,
    GeneralizedLinearMixedModelResults,
    GeneralizedLinearMixedModelResultsWrapper,
)
from .read_by_batches import ReadByBatches

__all__ = ["StreamedGeneralizedMixedModel", "StreamedGeneralizedMixedModelResults"]


class StreamedGeneralizedMixedModelResults(GeneralizedLinearMixedModelResults):
    """The fit of a `StreamedGeneralizedMixedModel`.

    What needs a value for every row is refused, but for `write_parquet`; so are other points than
    the estimates, since each would take passes over the data.

    See Also
    --------
    GeneralizedLinearMixedModelResults

    Examples
    --------
    >>> import pyarrow.dataset
    >>> contra = pyarrow.dataset.dataset(pyarrow.Table.from_pandas(datasets.load("contra")))
    >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
    >>> fit.bse.round(2).to_dict(), fit.predict({"urban": ["Y"]}).round(2)
    ({'Intercept': 0.08, 'urban[T.Y]': 0.11}, array([0.49]))
    """

    _without_rows = NEEDS_ROWS

    write_parquet = write_parquet

    def __init__(
        self,
        model: StreamedGeneralizedMixedModel,
        estimates: GeneralizedEstimates,
        layout: Layout,
        solved: SolvedStream,
    ) -> None:
        self.solved: SolvedStream | None = solved
        super().__init__(model, estimates, layout)
        assert model.outline is not None
        self._limit = self._limit_at(model.outline.most)  # the largest mean is about as large

    def _look_for_separation(
        self, model: GeneralizedLinearMixedModel, estimates: GeneralizedEstimates
    ) -> GeneralizedEstimates:
        assert isinstance(model, StreamedGeneralizedMixedModel)
        assert model.outline is not None
        columns = estimates.columns
        self.separation = Separation(np.zeros(len(columns)))  # rows would decide
        suspected = suspected_separation(
            model.outline.lowest[columns],
            model.outline.highest[columns],
            estimates.spec,
            estimates.on_basis or OnBasis.of_covariance(estimates.cov_conditional),
        )
        self._suspected = ", ".join(model.layout.columns[i] for i in columns[suspected])
        # Zeros and ones of probability one: the likelihood has no maximum.
        if self._suspected and estimates.spec.family == "binomial" and estimates.objective < EXACT:
            report = replace(estimates.report, converged=False, message=COMPLETE)
            estimates = replace(estimates, report=report)
        return estimates

    def _own_facts(self) -> list[str]:
        facts = super()._own_facts()
        if self._suspected:
            facts.append(
                f"Separation: the standard errors of {self._suspected} are so large that these "
                "coefficients may have no finite estimate; only rows in memory can tell."
            )
        return facts

    def sufficient_design(self) -> Design:
        """Return names, levels and sizes of the model, and what its fit knows without rows.

        Raises
        ------
        DataError
            If the data were removed.
        """
        design = self.model.sufficient
        if not isinstance(design, StreamedDesign):
            raise DataError(self._without_rows)
        return replace(design, solved=self.solved)

    @property
    def passes(self) -> int:
        """How often the fit has read the data, or 0 of a copy."""
        return 0 if self.solved is None else self.solved.passes


class StreamedGeneralizedMixedModel(ReadByBatches, GeneralizedLinearMixedModel):
    """A `GeneralizedLinearMixedModel` of data that are read by batches; `mixedglm2` makes it.

    The data are read once for every step of penalized iteratively reweighted least squares and once
    for every gradient. What is kept are sums over rows: cross-products of levels and of pairs of
    levels that occur together. Fits are those of the whole data.

    See Also
    --------
    GeneralizedLinearMixedModel

    Examples
    --------
    >>> import pyarrow.dataset
    >>> contra = pyarrow.dataset.dataset(pyarrow.Table.from_pandas(datasets.load("contra")))
    >>> model = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial())
    >>> model
    <StreamedGeneralizedMixedModel: use ~ 1 + urban + (1 | dist); 1934 rows>
    >>> model.fit().params.round(2).to_dict()
    {'Intercept': -0.7, 'urban[T.Y]': 0.65}
    """

    of_memory = GeneralizedLinearMixedModel

    def _read(
        self,
        terms: MixedFormula,
        data: Any,
        *,
        progress: bool | None = None,
        columns: Any = (),
        other_random: Any = (),
        **options: Any,
    ) -> tuple[Design, ModelFrame]:
        self.source, self.progress = data, progress
        self.learned = learn_frame(terms, data, progress=progress, **options)
        self.outline: Outline | None = Outline(self.learned, data, self.spec, progress)
        self.subset = options["subset"]
        self._describe(self.outline.described, self.outline.root)
        return self.outline.design(), self.learned.frame.without_rows()

    def _prepare(self, design: Design, rows: pd.Index | None) -> Design:
        assert self.outline is not None
        levels = design.response_levels
        self.success = levels[1] if levels is not None and len(levels) == 2 else None
        self.notes = self.outline.notes
        for note in self.notes:
            warn_caller(note, MixedModelWarning)
        check_random_columns(design)
        binary = self.spec.family == "binomial" and not self.outline.weights_differ
        check_groupings(
            design,
            allow_observation_level=not (binary or self.spec.has_dispersion),
            confounded_with="that of a single 0 or 1" if binary else "the dispersion",
        )
        return design

    def _is_weighted(self, given: Any) -> bool:
        return self.outline is not None and self.outline.weights_differ

    def _fitted(self, **options: Any) -> StreamedGeneralizedMixedModelResults:
        if self.outline is None or self.reduced is None:
            raise DataError("the data of this model were removed; keep them to ask for this.")
        check_streamed(self.spec, self.reduced, options.pop("n_agq"), options["options"])
        rows = self.outline.rows(self.progress)
        estimates, solved = fit_streamed_generalized(rows, self.reduced, self.spec, **options)
        return StreamedGeneralizedMixedModelResults(self, estimates, self.layout, solved)

    def _evaluate(self, *args: Any) -> Any:
        raise OptionError(
            "objective() and gradient() need all rows in memory, and these data are read by "
            "batches: fit() has the objective at the estimates."
        )

    @property
    def sufficient(self) -> Design | None:
        """The names and levels of the model; its likelihood is in all rows."""
        return self.reduced

    def without_data(self) -> Any:
        """Return a copy that cannot be fitted again."""
        bare = super().without_data()
        bare.outline = None
        return bare


if TYPE_CHECKING:
    _Wrapped = StreamedGeneralizedMixedModelResults
else:
    _Wrapped = object


class StreamedGeneralizedMixedModelResultsWrapper(
    GeneralizedLinearMixedModelResultsWrapper, _Wrapped
):
    """`StreamedGeneralizedMixedModelResults` with pandas labels on its arrays."""


populate_wrapper(StreamedGeneralizedMixedModelResultsWrapper, StreamedGeneralizedMixedModelResults)
StreamedGeneralizedMixedModelResults.wrapper = StreamedGeneralizedMixedModelResultsWrapper
