"""A request for marginal means or trends, applied to one fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import ArrayLike

from ..errors import OptionError
from ..standard_errors.reference import MODEL_BASED, RESIDUAL_DOF_METHODS
from .averaging import WEIGHTS, Averaging
from .estimated import groups_of
from .reference_grid import ReferenceGrid, reference_grid
from .specs import Specs, read_specs

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["Request", "inference_facts", "read_request"]


@dataclass(frozen=True, eq=False)
class Request:
    """A reference grid, and how its cells are averaged.

    Parameters
    ----------
    grid : ReferenceGrid
    specs : Specs
        What was asked for, by names of variables.
    averaging : Averaging
    labels : DataFrame, shape (m, c)
        Values of the variables that each mean is of.
    facts : tuple of str
        Sentences for the reader.
    """

    grid: ReferenceGrid
    specs: Specs
    averaging: Averaging
    labels: pd.DataFrame
    facts: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of means in each group that is compared."""
        return tuple(len(rows) for rows in groups_of(self.labels, list(self.specs.by)))


def read_request(
    result: MixedModelResults,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any] | None,
    weights: str | ArrayLike,
    offset: float | None,
    spread: float = 0.0,
) -> Request:
    """Work out what was asked for; see `emmeans`.

    Raises
    ------
    OptionError
        For what is not possible.
    """
    if isinstance(weights, str) and weights not in WEIGHTS:
        raise OptionError(f"weights= is one of {', '.join(WEIGHTS)} or numbers, not {weights!r}.")
    grid = reference_grid(result, at, offset=offset, spread=spread)
    read = read_specs(specs, by, [v.name for v in grid.variables])
    read = replace(read, names=tuple(grid.named(read.names)), by=tuple(grid.named(read.by)))
    wanted = tuple(dict.fromkeys([*read.names, *read.by]))
    averaging = grid.average(wanted, weights)
    labels = grid.values(averaging)
    if not wanted:
        labels = pd.DataFrame({"1": ["overall"]})
    return Request(grid, read, averaging, labels, _facts(result, grid, averaging, weights))


def _facts(
    result: MixedModelResults, grid: ReferenceGrid, averaging: Averaging, weights: str | ArrayLike
) -> tuple[str, ...]:
    found = []
    if averaging.averaged:
        how = f"{weights} weights" if isinstance(weights, str) else "weights that were given"
        found.append(f"Averaged over {', '.join(averaging.averaged)}, with {how}.")
    held = [
        f"{v.name} = {v.values[0]:.6g}"
        for v in grid.variables
        if len(v.values) == 1 and not v.is_factor and v.name not in averaging.keys
    ]
    if held:
        found.append(f"Covariates: {', '.join(held)}.")
    for name, outer in grid.nesting.items():
        if name in averaging.keys or name in averaging.averaged:
            found.append(f"{name} is nested in {', '.join(outer)}.")
    for name in averaging.keys:
        others = [n for n in averaging.averaged if any({name, n} <= term for term in grid.terms)]
        if others:
            found.append(f"{name} interacts with {', '.join(others)}: its means may mislead.")
    return (*found, *inference_facts(result))


def inference_facts(result: MixedModelResults) -> list[str]:
    """Return where standard errors and degrees of freedom come from."""
    found = []
    if result.dof_method is not None:
        found.append(f"Degrees of freedom: {RESIDUAL_DOF_METHODS[result.dof_method]}.")
    if result.reference.errors not in (MODEL_BASED, "Kenward-Roger"):
        found.append(f"Standard errors: {result.reference.errors}.")
    return found
