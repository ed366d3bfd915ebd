"""The hypothesis that a test of a term examines: L beta = 0 of type I, II or III.

They are SAS's estimable functions. Type I adjusts a term for those before it, type II for all
that do not contain it. Type III tests the functions of the effects of the term and of those
that contain it, and is orthogonal to all functions of the latter alone; where every combination
of levels has rows these are contrasts of unweighted means.

For any coding of X, everything is worked out for treatment coding. Its columns are among
the columns F of the effects phi of all levels, so that F = F_t A and its coefficients are A phi.

Joint degrees of freedom by Satterthwaite's method depend on the basis of a hypothesis, which is
that of lmerTest: coefficients in treatment coding where these are what is tested, and otherwise
rows of the triangular factor of X (Kuznetsova, Brockhoff and Christensen, 2017, Journal of
Statistical Software 82(13)).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space

from .._typing import Array, Positions
from ..errors import OptionError
from ..fitting.fixed_effects.basis import orthonormal_basis
from .fixed_terms import FixedTerm, contained, effect_columns, fixed_terms, rows_of_terms

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["TreatmentCoding", "term_hypotheses", "treatment_coding"]


# Share of its length that a column must add to those before it, and relative size of what is
# taken for zero in A, whose elements are of order 1.
DEPENDENT = 1e-9
ZERO = 1e-6
# Share of the largest element of a hypothesis, for columns of unit length, that is its rounding: an
# intercept of 1e9 would add that much of itself.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class TreatmentCoding:
    """The fixed part of a fit in treatment coding.

    Parameters
    ----------
    terms : list of FixedTerm
        In the order of the columns of X.
    owner, kept_owner : ndarray of int, shapes (effects,) and (rank,)
        Term of every column of F, and of every column of F_t.
    factor : ndarray, shape (rank, rank)
        F_t = Q factor, with Q an orthonormal basis of X.
    effects : ndarray, shape (rank, effects)
        A.
    change : ndarray, shape (rank, rank)
        Coefficients in treatment coding = change @ beta.
    combinations : ndarray, shape (rank, effects)
        F = X @ combinations, with the estimable columns of X.
    """

    terms: list[FixedTerm]
    owner: Positions
    kept_owner: Positions
    factor: Array
    effects: Array
    change: Array
    combinations: Array

    def without(self, at: int) -> Array:
        """Return combinations of the columns of X that span all terms but one."""
        others = np.flatnonzero(self.owner != at).tolist()
        kept = _independent(self.factor @ self.effects, others)
        return self.combinations[:, kept]


def treatment_coding(result: MixedModelResults) -> TreatmentCoding:
    """Recode the fixed part of a fit."""
    terms = fixed_terms(result)
    columns = result.estimates.columns
    rows = rows_of_terms(result)
    basis = orthonormal_basis(rows.X[:, columns], None)
    parts: list[Array] = []
    unit: dict[frozenset[Any], float] = {}
    for term, matrix in zip(terms, effect_columns(rows, terms), strict=True):
        # Terms that contain one another share a unit, which leaves their hypotheses alone.
        size = unit.setdefault(term.numbers, float(np.max(np.abs(matrix), initial=0.0)) or 1.0)
        parts.append(basis.Q.T @ matrix / size)
    C, R = np.hstack(parts) if parts else np.empty((0, 0)), basis.R
    if rows.root is not None:
        R = np.asarray(np.linalg.qr(rows.root[:, columns], mode="r"))
        C = R @ np.linalg.solve(basis.R, C)
    widths = [part.shape[1] for part in parts]
    owner = np.repeat(np.arange(len(terms)), widths)
    # From the last level of a term to its first, which is the one to be left out.
    starts = np.cumsum([0, *widths])
    order = [i for start, stop in pairwise(starts) for i in range(stop - 1, start - 1, -1)]
    kept = np.sort(np.array(_independent(C, order), dtype=np.intp))
    factor = C[:, kept]
    return TreatmentCoding(
        terms=terms,
        owner=owner,
        kept_owner=owner[kept],
        factor=factor,
        effects=np.asarray(np.linalg.solve(factor, C)),
        change=np.asarray(np.linalg.solve(factor, R)),
        combinations=np.asarray(np.linalg.solve(R, C)),
    )


def _independent(matrix: Array, order: list[int]) -> list[int]:
    """Return the columns, taken in a given order, that do not depend on those before."""
    kept: list[int] = []
    found = np.empty((len(matrix), len(matrix)))
    for at in order:
        if len(kept) == len(matrix):
            break
        basis, rest = found[:, : len(kept)], matrix[:, at]
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length > DEPENDENT * np.linalg.norm(matrix[:, at]):
            found[:, len(kept)] = rest / length
            kept.append(at)
    return kept


def term_hypotheses(result: MixedModelResults, typ: int = 3) -> list[tuple[str, Array]]:
    """Return the hypothesis of every term of the fixed part but the intercept.

    Parameters
    ----------
    result : MixedModelResults
        The fit.
    typ : {1, 2, 3}
        Type of the hypotheses. For type I the order of the terms is that of their columns.

    Returns
    -------
    list of (name, ndarray of shape (m, rank))
        Rows for combinations of the estimable coefficients; none where nothing of a term can
        be tested, because its columns depend on those of others.

    Raises
    ------
    OptionError
        If there is no such type.
    """
    if isinstance(typ, bool) or typ not in (1, 2, 3):
        raise OptionError(f"typ= is 1, 2 or 3, not {typ!r}.")
    coding = treatment_coding(result)
    if sum(not term.is_intercept for term in coding.terms) == 1:
        typ = 1  # All types agree then, and so do their bases.
    make = _type_three if typ == 3 else _adjusted
    lengths = np.linalg.norm(coding.factor @ coding.change, axis=0)
    found = []
    for at, term in enumerate(coding.terms):
        if term.is_intercept:
            continue
        found.append((term.name, _rounded(make(coding, at, typ) @ coding.change, lengths)))
    return found


def _rounded(L: Array, lengths: Array) -> Array:
    """Return hypotheses, by row, without elements that are rounding errors of others."""
    shares = np.abs(L) / lengths
    return np.where(shares > ROUNDING * shares.max(axis=1, initial=0.0)[:, None], L, 0.0)


def _adjusted(coding: TreatmentCoding, at: int, typ: int) -> Array:
    """Return what remains of a term's columns after adjustment for those of others.

    With Q_2 an orthonormal basis of that, the hypothesis is Q_2'F_t beta_t = 0.
    """
    terms = coding.terms
    if typ == 1:
        earlier = list(range(at))
    else:
        earlier = [i for i, t in enumerate(terms) if i != at and not contained(terms[at], t)]
    C = coding.factor @ coding.effects
    before = _independent(C, np.flatnonzero(np.isin(coding.owner, earlier)).tolist())
    both = _independent(C, [*before, *np.flatnonzero(coding.owner == at).tolist()])
    remaining = np.linalg.qr(C[:, both])[0][:, len(before) :]
    functions = coding.factor.T @ remaining
    own = np.flatnonzero(coding.kept_owner == at)
    if typ == 1 or any(contained(terms[at], term) for term in terms):
        return _triangular(functions, own, coding.effects)
    return _natural(functions, own, coding.effects)


def _type_three(coding: TreatmentCoding, at: int, typ: int) -> Array:
    """Return the functions of a term's effects that no containing term has a part in."""
    A, terms = coding.effects, coding.terms
    outer = [i for i, other in enumerate(terms) if contained(terms[at], other)]
    above = np.isin(coding.owner, outer)
    functions = _functions(A, above | (coding.owner == at))
    if outer and functions.shape[1]:
        removed = _functions(A, above)
        meeting = (A.T @ removed).T @ (A.T @ functions)
        functions = functions @ null_space(meeting, rcond=ZERO) if len(meeting) else functions
    return _natural(functions, np.flatnonzero(coding.kept_owner == at), A)


def _functions(A: Array, inside: NDArray[np.bool_]) -> Array:
    """Return the l, shape (rank, m), whose function l'A phi has support inside."""
    outside = A[:, ~inside]
    if not outside.shape[1]:
        return np.eye(len(A))
    return np.asarray(null_space(outside.T, rcond=ZERO))


def _triangular(functions: Array, own: Positions, A: Array) -> Array:
    """Return a basis of Q_2'F_t, by row: rows of the triangular factor of X with unit diagonal.

    X has the term's own columns after those that it is adjusted for. Where cells are empty the
    own coefficients may not tell functions apart, and any basis serves.
    """
    inner = functions[own].T
    if not inner.size or inner.shape[0] != inner.shape[1] or np.linalg.cond(inner) > 1 / ZERO:
        return _natural(functions, own, A)
    factor = np.linalg.qr(inner)[1]
    weights = factor / np.diag(factor)[:, None]
    return np.asarray(weights @ np.linalg.solve(inner, functions.T))


def _natural(functions: Array, own: Positions, A: Array) -> Array:
    """Return a basis of a space of l, by row: the term's own coefficients projected on it.

    These are differences of means from that of the first level. Where cells are empty they
    may not span the space, and any basis serves.
    """
    if not functions.shape[1]:
        return functions.T
    Q, R = np.linalg.qr(A.T @ functions)
    orthonormal = np.linalg.solve(R.T, functions.T)  # l'A has orthonormal rows
    weights = Q.T @ A.T[:, own]
    if weights.shape[0] != weights.shape[1] or np.linalg.cond(weights) > 1 / ZERO:
        return np.asarray(orthonormal)
    return np.asarray(weights.T @ orthonormal)
