"""Families that have another one as a case: where in the range of which of their parameters."""

from __future__ import annotations

from ..fitting.families.spec import FamilySpec

__all__ = ["at_edge", "is_case"]

# At no dispersion, which is the edge of its range.
_WITHOUT_DISPERSION = {
    "negative_binomial": "poisson",
    "negative_binomial1": "poisson",
    "truncated_negative_binomial": "truncated_poisson",
    "truncated_negative_binomial1": "truncated_poisson",
    "beta_binomial": "binomial",
}
# At phi = 1, inside of its range.
_AT_ONE = {
    "generalized_poisson": "poisson",
    "conway_maxwell_poisson": "poisson",
    "truncated_generalized_poisson": "truncated_poisson",
    "truncated_conway_maxwell_poisson": "truncated_poisson",
}
# At infinitely many degrees of freedom.
_OF_SHAPE = {"student_t": "gaussian"}


def is_case(small: FamilySpec, large: FamilySpec) -> bool:
    """Return whether a family, not its zeros, is another one or a case of it; links apart.

    Parameters
    ----------
    small, large : FamilySpec
    """
    cases = (large.family, *(known.get(large.family) for known in (_WITHOUT_DISPERSION, _AT_ONE)))
    return small.family in cases or _OF_SHAPE.get(large.family) == small.family


def at_edge(small: FamilySpec, large: FamilySpec, dispersion: int = 1) -> int:
    """Return how many parameters of the larger family are at their edge in the smaller.

    Parameters
    ----------
    small, large : FamilySpec
        One a case of the other.
    dispersion : int
        Number of coefficients of the larger one's dispersion.
    """
    if small.family == large.family or large.family in _AT_ONE:
        return 0
    return 1 if large.family in _OF_SHAPE else dispersion
