"""The terms of the fixed part, and their columns when no coding is chosen for factors.

A model of factors can be written without a coding: with an effect for every level of every
term, and so with many more columns F than coefficients. F spans what X spans, for any
coding of X.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._typing import Array
from ..fitting.fixed_effects.basis import orthonormal_basis
from ..frame.design import build_design
from ..frame.matrices.coding import CodedMatrix, CodedTerm, ProductColumns
from ..frame.matrices.factors import Rows

if TYPE_CHECKING:
    import pandas as pd

    from ..frame.build import ModelFrame
    from ..frame.matrices.engine_formulaic import FormulaicMatrix
    from ..results.base import MixedModelResults

__all__ = [
    "FixedTerm",
    "columns_of",
    "contained",
    "effect_columns",
    "fixed_terms",
    "scope",
    "terms_effects",
    "terms_of",
    "with_intercept",
]


@dataclass(frozen=True)
class FixedTerm:
    """A term of a bar-free formula.

    Parameters
    ----------
    name : str
        ``"days"``, ``"service:dept"``, ``"Intercept"``.
    factors, numbers : frozenset
        Its categorical factors, and its other ones.
    columns : slice
        Its columns of the matrix.
    """

    name: str
    factors: frozenset[Any]
    numbers: frozenset[Any]
    columns: slice

    @property
    def is_intercept(self) -> bool:
        """Whether it is a constant."""
        return not (self.factors or self.numbers)


def contained(inner: FixedTerm, outer: FixedTerm) -> bool:
    """Return whether a term is marginal to another: the same numbers, fewer factors."""
    return inner.numbers == outer.numbers and inner.factors < outer.factors


def scope(terms: list[FixedTerm]) -> list[FixedTerm]:
    """Return the terms that can be left out while those marginal to others stay."""
    kept = [term for term in terms if not term.is_intercept]
    return [term for term in kept if not any(_part_of(term, other) for other in kept)]


def _part_of(inner: FixedTerm, outer: FixedTerm) -> bool:
    return inner.factors | inner.numbers < outer.factors | outer.numbers


def terms_of(matrix: Any) -> list[FixedTerm]:
    """Return the terms of a matrix, in the order of its columns.

    Parameters
    ----------
    matrix : Matrix
        Made by either formula engine.
    """
    named = _patsy_factors if isinstance(matrix, CodedMatrix) else _formulaic_factors
    slices = matrix.slices
    return [
        FixedTerm(name, frozenset(factors), frozenset(numbers), slices[name])
        for name, factors, numbers in named(matrix)
    ]


def columns_of(factor: Any, table: pd.DataFrame) -> list[str]:
    """Return the columns of the data that a factor of a term is made of."""
    if hasattr(factor, "source"):
        return list(factor.source.columns)
    words = set(re.findall(r"\w+", str(factor)))
    return [name for name in table.columns if name == str(factor) or name in words]


def fixed_terms(result: MixedModelResults) -> list[FixedTerm]:
    """Return the terms of the fixed part; without a formula every column is one."""
    frame = result.model.frame
    if frame is not None:
        return terms_of(frame.fixed)
    X = result.kept_design().X
    return [
        FixedTerm(
            name,
            frozenset(),
            frozenset() if np.ptp(X[:, i]) == 0 else frozenset([name]),
            slice(i, i + 1),
        )
        for i, name in enumerate(result.coefnames)
    ]


@dataclass(frozen=True, eq=False)
class RowsOfTerms:
    """Rows that show how the columns of terms depend on one another.

    Parameters
    ----------
    frame : ModelFrame or None
        None of a model without a formula.
    X : ndarray, shape (n, p)
        Of these rows.
    root : ndarray, shape (p, p), or None
        R of the QR decomposition of X in all rows, where these are some of them.
    """

    frame: ModelFrame | None
    X: Array
    root: Array | None = None


def rows_of_terms(result: MixedModelResults) -> RowsOfTerms:
    """Return the rows of the model, or some of data that were read by batches.

    Raises
    ------
    DataError
        If the data were removed, or some rows do not show how columns depend on one another.
    """
    model = result.model
    if model.design is None and model.sample is not None:
        X = build_design(model.sample.frame).X
        columns = result.estimates.columns
        if len(orthonormal_basis(X[:, columns], None).columns) == len(columns):
            return RowsOfTerms(model.sample.frame, X, model.sample.root)
    return RowsOfTerms(model.frame, result.kept_design().X)


def effect_columns(rows: RowsOfTerms, terms: list[FixedTerm]) -> Iterator[Array]:
    """Yield the columns F of every term, shape (n, effects), in the order of the terms.

    Parameters
    ----------
    rows : RowsOfTerms
    terms : list of FixedTerm
    """
    if rows.frame is None:
        return (rows.X[:, term.columns] for term in terms)
    return terms_effects(rows.frame.fixed, rows.frame)


def terms_effects(matrix: Any, frame: ModelFrame) -> Iterator[Array]:
    """Yield the same columns for the terms of a matrix, in the rows of a frame."""
    if isinstance(matrix, CodedMatrix):
        return _patsy_effects(matrix, frame.rows)
    return _formulaic_effects(matrix, frame.rows)


def with_intercept(matrix: Any) -> Any:
    """Return a matrix with the column of the intercept before those it has."""
    if isinstance(matrix, CodedMatrix):
        constant = CodedTerm("Intercept", (ProductColumns((), (), 1),))
        return CodedMatrix(("Intercept", *matrix.names), (constant, *matrix.terms))
    whole = copy.copy(matrix)
    whole.first, whole.names = 0, ("Intercept", *matrix.names)
    moved = {name: slice(at.start + 1, at.stop + 1) for name, at in matrix.slices.items()}
    whole.slices = {"Intercept": slice(0, 1), **moved}
    return whole


# Patsy.


def _patsy_factors(matrix: CodedMatrix) -> Iterator[tuple[str, set[Any], set[Any]]]:
    for term in matrix.terms:
        coded = {
            factor: contrast is not None
            for piece in term.pieces
            for factor, contrast in zip(piece.factors, piece.contrasts, strict=True)
        }
        categorical = {factor for factor, is_coded in coded.items() if is_coded}
        yield term.name, categorical, set(coded) - categorical


def _patsy_effects(matrix: CodedMatrix, rows: Rows) -> Iterator[Array]:
    spans = _spans(matrix)
    for term in matrix.terms:
        factors = tuple(dict.fromkeys(f for piece in term.pieces for f in piece.factors))
        contrasts = tuple(spans.get(factor) for factor in factors)
        width = int(
            np.prod([f.width if c is None else c.shape[1]
                     for f, c in zip(factors, contrasts, strict=True)], dtype=int)
        )  # fmt: skip
        piece = ProductColumns(factors, contrasts, width)
        out = np.empty((len(rows.index), width))
        CodedMatrix((), (CodedTerm(term.name, (piece,)),)).fill(rows, out)
        yield out
    rows.forget()


def _spans(matrix: CodedMatrix) -> dict[Any, Array]:
    """Return for each categorical factor the effects of its levels that the model can represent.

    The identity, unless contrasts are fewer than levels allow; then an orthonormal basis of
    what they and a constant span.
    """
    found: dict[Any, list[Array]] = {}
    for term in matrix.terms:
        for piece in term.pieces:
            for factor, contrast in zip(piece.factors, piece.contrasts, strict=True):
                if contrast is not None:
                    found.setdefault(factor, [np.ones((len(contrast), 1))]).append(contrast)
    spans = {}
    for factor, parts in found.items():
        left, values, _ = np.linalg.svd(np.hstack(parts), full_matrices=False)
        rank = int(np.sum(values > 1e-10 * values[0]))
        spans[factor] = np.eye(len(left)) if rank == len(left) else left[:, :rank]
    return spans


# Formulaic.


def _formulaic_factors(matrix: FormulaicMatrix) -> Iterator[tuple[str, set[Any], set[Any]]]:
    state = matrix.spec.encoder_state
    terms = [term for term in matrix.spec.terms if not (matrix.first and str(term) == "1")]
    for name, term in zip(matrix.slices, terms, strict=True):
        factors = {str(factor) for factor in term.factors} - {"1"}
        coded = {f for f in factors if f in state and "categories" in state[f][1]}
        yield name, coded, factors - coded


def _formulaic_effects(matrix: FormulaicMatrix, rows: Rows) -> Iterator[Array]:
    spec = matrix.spec.update(ensure_full_rank=False, structure=None)
    made = spec.get_model_matrix(
        matrix.table(rows), context=matrix.context, na_action="ignore", output="numpy"
    )
    whole = np.asarray(made, dtype=float)
    for term, place in made.model_spec.term_slices.items():
        if not (matrix.first and str(term) == "1"):
            yield whole[:, place]
