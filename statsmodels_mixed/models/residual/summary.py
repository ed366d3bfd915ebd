"""What a summary says of covariances: a table of parameters, and facts in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...residual_covariance.estimates import ResidualEstimates
from ...tables.cell_formats import significant
from ...tables.table import Column, Table

__all__ = ["covariance_facts", "covariance_table"]


def covariance_table(estimates: ResidualEstimates) -> Table:
    """Return the parameters of all structures on their natural scale."""
    columns = (
        Column("part", "", align="left"),
        Column("structure", "Structure", align="left"),
        Column("parameter", "Parameter", align="left"),
        Column("estimate", "Estimate", significant, "point"),
        Column("std_error", "Std. Err.", significant, "point"),
    )
    rows: list[tuple[Any, ...]] = []
    for each in estimates.structures:
        named = zip(each.names, each.values, each.errors, strict=True)
        for i, (name, value, error) in enumerate(named):
            head = (each.name, each.kind) if i == 0 else (None, None)
            rows.append((*head, name, float(value), None if np.isnan(error) else float(error)))
    for i, (name, value, error) in enumerate(
        zip(
            estimates.dispersion_names,
            estimates.dispersion_values,
            estimates.dispersion_errors,
            strict=True,
        )
    ):
        rows.append(("Dispersion" if i == 0 else None, None, name, float(value), float(error)))
    return Table(columns, tuple(rows), "Covariance parameters")


def covariance_facts(estimates: ResidualEstimates) -> list[str]:
    """Return sentences on subjects, and on parameters at a bound."""
    sentences = []
    if estimates.cells.term is not None:
        count = estimates.cells.n_subjects
        subjects = "1 subject" if count == 1 else f"{count} subjects"
        sentences.append(f"Residuals: {estimates.cells.term.text}, {subjects}.")
    for each in estimates.structures:
        if each.at_bounds:
            sentences.append(
                f"At the boundary: {', '.join(each.at_bounds)} of {each.name} "
                f"({each.kind}), whose standard error is not given."
            )
    return sentences
