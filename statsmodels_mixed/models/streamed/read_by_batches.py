"""What models of data that are read by batches have in common."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from patsy.eval import EvalEnvironment

from ..._typing import Array
from ...errors import DataError, OptionError
from ...formula.terms import MixedFormula
from ...frame.design import NEEDS_ROWS, Design
from ...frame.model_frame import ModelFrame, RowSample, RowSummary
from ...options import ChecksOptions, described
from ...streams.batches import head_of
from ...streams.describe import Described
from ...streams.learn import Learned
from ...streams.sources import BATCH_ROWS, TableSource, open_source
from ..base import MixedModel
from ..mixedlm_arguments import attach_groups, translate
from ..reading import names_for

__all__ = ["ReadByBatches"]


if TYPE_CHECKING:
    _Model = MixedModel
else:
    _Model = ChecksOptions


class ReadByBatches(_Model):
    """A model of data that are read by batches; it keeps no value of a row."""

    source: TableSource
    learned: Learned
    reduced: Design | None
    _described: Described

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
        names = names_for(eval_env, 3)
        if not isinstance(batch_rows, Integral) or not 1 <= batch_rows < 2**31:
            raise OptionError(
                f"batch_rows= is a positive number below 2**31, not {described(batch_rows)}."
            )
        source = open_source(data, int(batch_rows))
        if groups is not None:
            if not isinstance(groups, str):
                raise OptionError("groups= must be a column, since the data are read by batches.")
            table, column = attach_groups(head_of(source), groups)
            formula = translate(formula, table, column, re_formula, vc_formula)
            groups = re_formula = vc_formula = None
        return super()._from_formula(
            formula, source, groups, re_formula, vc_formula, eval_env=names, **options
        )

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

    def _describe(self, described: Described, root: Array) -> None:
        """Take what was found while the rows passed by; R of X = QR is (p, p)."""
        self._described = described
        self.sample = RowSample(described.spanning.sample(self.learned.frame), root)

    def kept_design(self) -> Design:
        """Refuse what needs all rows.

        Raises
        ------
        DataError
            Always.
        """
        raise DataError(NEEDS_ROWS)

    @property
    def described(self) -> RowSummary | None:
        """Combinations of levels and means of the rows."""
        return None if self.reduced is None else self._described.summary(self.learned.frame)

    def without_data(self) -> Self:
        """Return a copy that cannot be fitted again."""
        bare = super().without_data()
        bare.reduced = None
        return bare
