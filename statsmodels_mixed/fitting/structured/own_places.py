"""The design of a fit whose effects are at places of their own for every level.

Their columns of Z are functions of parameters: what follows a fit takes those at its estimates,
with a covariance that is diagonal.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import block_diag

from ...frame.design import Design, RandomBlock
from ...frame.places import refuse_many_places
from .fit import StructuredFit

__all__ = ["design_at", "with_all_places"]


def design_at(design: Design, structured: StructuredFit | None) -> Design:
    """Return the design with the columns at the estimates."""
    if structured is None or not any(block.own_places for block in design.blocks):
        return design
    blocks = []
    for at, block in enumerate(design.blocks):
        z = block.z.copy() if block.own_places else block.z
        for own in block.own_places:
            z[:, own.columns] = own.rows(structured.phi_of(at, own.columns), block.refs)
        blocks.append(replace(block, z=z))
    return replace(design, blocks=tuple(blocks))


def with_all_places(design: Design) -> Design:
    """Return the same model with effects at all places for every level.

    Raises
    ------
    DataError
        If a covariance matrix of all places would be too large.
    """
    return replace(design, blocks=tuple(_with_all_places(block) for block in design.blocks))


def _with_all_places(block: RandomBlock) -> RandomBlock:
    own = {each.columns.start: each for each in block.own_places}
    z, patterns, structures = [], [], []
    names: list[str] = []
    for columns, structure in zip(block.slices, block.structures, strict=True):
        each = own.get(columns.start)
        if each is None:
            z.append(block.z[:, columns])
            names += block.names[columns]
            patterns.append(block.pattern[columns, columns])
            structures.append(structure)
            continue
        places = each.matrix.places
        refuse_many_places(places)
        z.append(np.eye(len(places.names))[each.matrix.sets[block.refs, each.matrix.place]])
        names += places.names
        patterns.append(np.tri(len(places.names), dtype=bool))
        structures.append(structure.bind(places.labels, places.positions))
    return replace(
        block,
        z=np.ascontiguousarray(np.hstack(z)),
        names=tuple(names),
        pattern=block_diag(*patterns).astype(bool),
        structures=tuple(structures),
        own_places=(),
    )
