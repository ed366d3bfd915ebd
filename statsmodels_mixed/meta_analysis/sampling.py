"""Known sampling covariances, and models of rows that these are taken out of.

With V = L L' block by block, the rows of L^-1 [y X Z] have independent errors of variance 1: they
are those of a mixed model with sigma = 1, and -log|V| / 2 is added to its log-likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from .._typing import Array
from ..errors import DataError, OptionError
from ..frame.design import Design, RandomBlock
from ..frame.model_frame import RandomPart
from ..frame.row_groups import lies_within
from ..structures import make

__all__ = ["SamplingCovariance", "sampling_covariance", "whitened"]


@dataclass(frozen=True, eq=False)
class SamplingCovariance:
    """The covariance of the sampling errors of estimates, block diagonal.

    Parameters
    ----------
    blocks : tuple of ndarray
        Rows of each block.
    roots : tuple of ndarray
        Lower Cholesky factor of each block.
    """

    blocks: tuple[NDArray[np.intp], ...]
    roots: tuple[Array, ...]

    @property
    def n(self) -> int:
        """Number of estimates."""
        return sum(map(len, self.blocks))

    @property
    def logdet(self) -> float:
        """log|V|."""
        return 2.0 * sum(float(np.log(np.diag(root)).sum()) for root in self.roots)

    @property
    def codes(self) -> NDArray[np.int32]:
        """Block of every row."""
        out = np.empty(self.n, dtype=np.int32)
        for i, rows in enumerate(self.blocks):
            out[rows] = i
        return out

    def whiten(self, values: Array) -> Array:
        """Return L^-1 values, for rows."""
        out = np.empty(values.shape)
        for rows, root in zip(self.blocks, self.roots, strict=True):
            out[rows] = solve_triangular(root, values[rows], lower=True)
        return out

    def of_rows(self, kept: NDArray[np.intp]) -> SamplingCovariance:
        """Return the covariance of some rows, ascending, numbered afresh."""
        V = np.zeros((self.n, self.n))
        for rows, root in zip(self.blocks, self.roots, strict=True):
            V[np.ix_(rows, rows)] = root @ root.T
        return sampling_covariance(V[np.ix_(kept, kept)], len(kept))


def sampling_covariance(V: Any, n: int) -> SamplingCovariance:
    """Read V.

    Parameters
    ----------
    V : array_like, shape (n, n), or sequence of such matrices
        The whole, or its blocks in the order of the rows.
    n : int
        Number of estimates.

    Raises
    ------
    DataError
        If it has another size or is not positive definite.
    """
    parts = _parts(V)
    if sum(map(len, parts)) != n:
        size = " and ".join(str(len(part)) for part in parts[:3])
        raise DataError(f"V= is of {size} rows{', ...' * (len(parts) > 3)}, the data have {n}.")
    blocks, roots, start = [], [], 0
    for part in parts:
        if not np.isfinite(part).all() or np.abs(part - part.T).max() > 1e-8 * np.abs(part).max():
            raise DataError("V= is not symmetric, or not finite.")
        _, owner = connected_components(csr_array(part), directed=False)
        for component in range(int(owner.max(initial=-1)) + 1):
            rows = np.flatnonzero(owner == component)
            try:
                root = np.linalg.cholesky(part[np.ix_(rows, rows)])
            except np.linalg.LinAlgError as error:
                raise DataError(
                    f"V= is not positive definite (rows {start + rows[0]} to {start + rows[-1]})."
                ) from error
            blocks.append(start + rows)
            roots.append(root)
        start += len(part)
    return SamplingCovariance(tuple(blocks), tuple(np.asarray(root) for root in roots))


def _parts(V: Any) -> list[Array]:
    if hasattr(V, "toarray"):
        V = V.toarray()
    whole = hasattr(V, "shape") or np.ndim(V[0]) == 1
    return [_square(part) for part in ([V] if whole else V)]


def _square(part: ArrayLike) -> Array:
    out = np.asarray(part, dtype=float)
    if out.ndim != 2 or out.shape[0] != out.shape[1]:
        raise DataError(f"a block of V= has shape {out.shape}: it must be square.")
    return out


def whitened(design: Design, parts: Sequence[RandomPart], V: SamplingCovariance) -> Design:
    """Return the design of rows with independent errors of variance 1.

    Levels of a grouping factor either contain blocks of V, or lie within them, as those of
    estimates within studies do.

    Raises
    ------
    OptionError
        If some do neither, or have several effects within a block.
    """
    codes = V.codes
    blocks, structured = [], design.is_structured
    for block, part in zip(design.blocks, parts, strict=True):
        if lies_within(codes, block.refs):
            blocks.append(replace(block, z=V.whiten(block.z)))
            continue
        cut = not lies_within(block.refs, codes) or block.related is not None
        if cut or len(block.names) > 1 or part.is_structured:
            raise OptionError(
                f"levels of {block.name!r} cut through blocks of V=: estimates with dependent "
                "errors belong to one level, or to levels of their own with a single effect."
            )
        blocks.append(_together(block, V))
        structured = True
    if structured:
        blocks = [
            block if block.structures else replace(block, structures=part.structures)
            for block, part in zip(blocks, parts, strict=True)
        ]
    blocks.sort(key=lambda block: -len(block.names) * len(block.levels))
    y = V.whiten(design.y_less_offset)
    return replace(design, y=y, X=V.whiten(design.X), offset=None, blocks=tuple(blocks))


def _together(block: RandomBlock, V: SamplingCovariance) -> RandomBlock:
    """Return the effects of the levels within a block of V as those of one level, alike."""
    n = len(block.refs)
    place = np.zeros(n, dtype=np.intp)
    for rows in V.blocks:
        place[rows] = np.unique(block.refs[rows], return_inverse=True)[1]
    k = int(place.max()) + 1
    z = np.zeros((n, k))
    z[np.arange(n), place] = block.z[:, 0]
    names = tuple(f"{block.names[0]} {i + 1}" for i in range(k))
    return replace(
        block,
        z=V.whiten(z),
        refs=V.codes,
        levels=pd.RangeIndex(len(V.blocks)),
        names=names,
        pattern=np.eye(k, dtype=bool),
        structures=(make("homdiag").bind(names),),
    )
