"""Linear functions of the coefficients of a fit, with the inference that the fit has.

Standard errors and degrees of freedom of all functions are computed at once, by the method and
from the covariance of the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import null_space

from .._typing import Array, Mask
from ..standard_errors.contrast_tests import (
    ContrastTests,
    FixedContrastTests,
    LeastDegreesTests,
)

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["LinearFunctions"]


# What a function without an estimate lacks.
NO_DATA = "no rows of the data have this combination of levels"
NOT_ESTIMABLE = "not estimable: cells without data have a part in it"
INFINITE = "no finite estimate: a coefficient grows without bound (separation)"
UNDETERMINED = "its standard error is not determined, by the data or by the clusters"

# Singular values of what makes functions not estimable, below this share of the largest, are zero.
FREE = 1e-7
# Elements of a contrast below this share of its largest are rounding errors.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class LinearFunctions:
    """Functions K beta + k of coefficients beta.

    Parameters
    ----------
    rows : ndarray, shape (m, p)
        K; NaN in a row without a value.
    offset : ndarray, shape (m,)
        k.
    tests : ContrastTests
        Estimable coefficients, their covariance and degrees of freedom.
    result : MixedModelResults or None
        The fit whose coefficients these are, one for each column of X; None if `tests` has all.
    missing : tuple of str
        Why rows are NaN, if not because no rows of the data have a combination of levels.
    """

    rows: Array
    offset: Array
    tests: ContrastTests
    result: MixedModelResults | None
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: MixedModelResults, rows: Array, offset: Array) -> LinearFunctions:
        """Return functions of the coefficients of a fit, one for each column of X."""
        result._check_covariance()
        return cls(rows, offset, result.reference.tests, result)

    @classmethod
    def of_estimates(
        cls, estimates: Array, covariance: Array, df: float | Array, reasons: Sequence[str]
    ) -> LinearFunctions:
        """Return estimates as functions of themselves; `reasons` say why some are NaN.

        Where each has its own degrees of freedom, a combination has the fewest of its parts.
        """
        known = np.isfinite(estimates) & np.isfinite(np.diag(covariance))
        clean = np.where(np.outer(known, known), covariance, 0.0)
        beta = np.where(known, estimates, 0.0)
        tests: ContrastTests
        if isinstance(df, np.ndarray):
            tests = LeastDegreesTests(beta, clean, np.where(known, df, np.inf))
        else:
            tests = FixedContrastTests(beta, clean, df)
        rows = np.where(known[:, None], np.eye(len(estimates)), np.nan)
        return cls(rows, np.zeros(len(estimates)), tests, None, tuple(dict.fromkeys(reasons)))

    def combined(self, matrix: Array) -> LinearFunctions:
        """Return linear combinations, matrix (l, m), of the functions."""
        unknown = self._missing
        rows = matrix @ np.where(unknown[:, None], 0.0, self.rows)
        size = np.abs(matrix) @ np.abs(np.where(unknown[:, None], 0.0, self.rows))
        rows[np.abs(rows) <= ROUNDING * size] = 0.0
        rows[(matrix[:, unknown] != 0).any(axis=1)] = np.nan
        return replace(self, rows=rows, offset=matrix @ self.offset)

    def taken(self, at: Any) -> LinearFunctions:
        """Return some of the functions."""
        return replace(self, rows=self.rows[at], offset=self.offset[at])

    @cached_property
    def _missing(self) -> Mask:
        return np.asarray(np.isnan(self.rows).any(axis=1), dtype=bool)

    @cached_property
    def _reduced(self) -> tuple[Array, list[str]]:
        """Rows over the estimable coefficients, and why a function has no estimate."""
        missing = self._missing
        rows = np.where(missing[:, None], 0.0, self.rows)
        why = "; ".join(reason for reason in self.missing if reason) or NO_DATA
        reasons = np.where(missing, why, "").astype(object)
        if self.result is None:
            return rows, list(reasons)
        kept, estimable = self.result._of_estimable(rows)
        finite = self.result._finite(kept)
        reasons[~missing & ~estimable] = NOT_ESTIMABLE
        reasons[~missing & estimable & ~finite] = INFINITE
        return np.ascontiguousarray(kept), list(reasons)

    def reduce(self, rows: Array) -> Array:
        """Return rows over all coefficients as rows over the estimable ones."""
        return rows if self.result is None else self.result._of_estimable(rows)[0]

    def estimable_rows(self) -> Array:
        """Return rows that span all estimable combinations of the functions.

        These are the functions themselves where all are estimable.
        """
        rows = self.rows[~self._missing]
        estimability = None if self.result is None else self.result.model.data.estimability
        if estimability is None or estimability.holds(rows).all():
            return rows
        gap = rows[:, estimability.dropped] - rows[:, estimability.kept] @ estimability.combinations
        return np.asarray(null_space(gap.T, rcond=FREE).T @ rows)

    @cached_property
    def reduced(self) -> Array:
        """Rows over the estimable coefficients, shape (m, rank)."""
        return self._reduced[0]

    @cached_property
    def known(self) -> Mask:
        """Which functions have an estimate."""
        return np.array([not reason for reason in self._reduced[1]], dtype=bool)

    @cached_property
    def reasons(self) -> list[str]:
        """Why a function has no estimate or no standard error; empty where it has both."""
        errors = self.errors
        return [
            reason or (UNDETERMINED if np.isnan(error) else "")
            for reason, error in zip(self._reduced[1], errors, strict=True)
        ]

    @cached_property
    def estimates(self) -> Array:
        """The functions at the estimates, shape (m,); NaN where there is none."""
        values = self.reduced @ self.tests.beta + self.offset
        return np.where(self.known, values, np.nan)

    @cached_property
    def errors(self) -> Array:
        """Standard errors, shape (m,)."""
        out = np.full(len(self.rows), np.nan)
        if self.known.any():
            out[self.known] = self.tests.errors(self.reduced[self.known])
        return out

    @cached_property
    def df(self) -> Array:
        """Degrees of freedom, shape (m,)."""
        out = np.full(len(self.rows), np.nan)
        if self.known.any():
            out[self.known] = self.tests.df(self.reduced[self.known])
        return out

    def covariance(self) -> Array:
        """Return the covariance of the functions, shape (m, m); NaN where there is none."""
        rows = self.reduced
        whole = self.tests.covariance_of(rows)
        lost = np.isnan(self.errors)
        whole[lost], whole[:, lost] = np.nan, np.nan
        return np.asarray(whole)

    def correlation(self) -> Array:
        """Return the correlations of the functions, shape (m, m); 0 where there is none."""
        errors = self.errors
        size = np.where(errors > 0, errors, np.inf)
        found = np.nan_to_num(self.covariance()) / np.outer(size, size)
        np.fill_diagonal(found, 1.0)
        return np.asarray(np.clip(found, -1.0, 1.0))
