"""What a model is, before it is fitted: its formula, sizes and parts as a document."""

from __future__ import annotations

from typing import Any

from ..results.layout import Layout
from ..tables.cell_formats import plain
from ..tables.document import Document
from ..tables.table import Column, Table

__all__ = ["describe"]


def describe(title: str, formula: str | None, layout: Layout, **facts: Any) -> Document:
    """Return the description of a model.

    Parameters
    ----------
    title : str
        What kind of model it is.
    formula : str or None
        None when it was made from arrays.
    layout : Layout
        Names and sizes.
    facts : str or None
        Further lines by name, left out where they are None; ``_`` in a name is a space.
    """
    rows: list[tuple[str, str]] = [] if formula is None else [("Formula", formula)]
    rows += [(name.replace("_", " "), text) for name, text in facts.items() if text is not None]
    dropped = f", {layout.n_dropped} with missing values left out" if layout.n_dropped else ""
    rows.append(("Rows", f"{layout.nobs}{dropped}"))
    rows.append(("Fixed effects", ", ".join(layout.columns) or "none"))
    for block in layout.blocks:
        names = ", ".join(block.columns)
        rows.append((f"Random effects of {block.name}", f"{names}; {len(block.levels)} levels"))
    columns = Column("what", "", plain, "left"), Column("value", "", plain, "left")
    return Document(title, [Table(columns, tuple(rows))])
