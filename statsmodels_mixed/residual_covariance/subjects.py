"""The subjects of residuals as a grouping factor, which has no random effects."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..frame.design import RandomBlock
from .cells import Cells

__all__ = ["subjects_of"]


def subjects_of(cells: Cells) -> RandomBlock:
    """Return a block without columns whose levels are the subjects.

    Its name is that of their factor; ``"row"`` where every row is a subject, and ``"all rows"``
    where all are of one.

    Parameters
    ----------
    cells : Cells
    """
    term = cells.term
    return RandomBlock(
        "row" if term is None else " & ".join(term.subject) or "all rows",
        np.empty((len(cells.subject), 0)),
        cells.subject.astype(np.int32),
        pd.RangeIndex(cells.n_subjects),
        (),
        np.zeros((0, 0), dtype=bool),
        (),
    )
