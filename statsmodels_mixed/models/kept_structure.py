"""The analysis of a small model, kept so that fitting it again takes half as long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fitting.crossprod import SharedStructure

if TYPE_CHECKING:
    from ..frame.design import Design
    from .base import MixedModel

__all__ = ["structure_to_fit"]

# Elements of X and Z of which the analysis, which holds a copy of them, is kept.
KEPT_ELEMENTS = 200_000


def structure_to_fit(model: MixedModel, design: Design) -> SharedStructure | None:
    """Return the analysis that a fit of this model takes; None if it is to make its own.

    The arrays that it was made from are read-only from then on.

    Parameters
    ----------
    model : MixedModel
    design : Design
        Its arrays.

    Returns
    -------
    SharedStructure or None
    """
    if model._structure is None:
        if not design.has_rows:
            return None
        if design.X.size + sum([block.z.size for block in design.blocks]) <= KEPT_ELEMENTS:
            for block in design.blocks:
                block.z.flags.writeable = False
            model._structure = model._analyse(design)
    return model._structure
