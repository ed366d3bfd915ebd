"""P-values and intervals of several functions at once.

Tukey's adjustment is for all differences of k means: P(range > sqrt(2) |t|), by the studentized
range. Scheffe's is for all contrasts in a space of r dimensions: sqrt(r F). That of a single step
is P(max |T_i| > |t|) with T of a multivariate t distribution with the correlations of the
functions, which for comparisons with a control is Dunnett's. Holm's method and the false discovery
rate have no intervals: theirs are Bonferroni's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BarycentricInterpolator
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri, fdtrc, fdtri, stdtrit
from statsmodels.stats.multitest import multipletests

from .._typing import Array
from ..errors import OptionError
from ..standard_errors.contrast_tests import two_sided
from .multivariate_t import exceedance, quantiles

__all__ = ["ADJUSTMENTS", "Family", "adjustment_named"]


ADJUSTMENTS = {
    "none": "",
    "tukey": "Tukey's method for a family of {means} estimates",
    "dunnett": "Dunnett's method for {tests} tests, by the multivariate t distribution",
    "dunnettx": "an approximation of Dunnett's method for {tests} tests",
    "mvt": "a single step for {tests} tests, by the multivariate t distribution",
    "scheffe": "Scheffe's method with {rank} dimensions",
    "sidak": "Sidak's method for {tests} tests",
    "bonferroni": "Bonferroni's method for {tests} tests",
    "holm": "Holm's method for {tests} tests",
    "hochberg": "Hochberg's method for {tests} tests",
    "hommel": "Hommel's method for {tests} tests",
    "fdr": "the false discovery rate of {tests} tests (Benjamini and Hochberg)",
    "by": "the false discovery rate of {tests} tests (Benjamini and Yekutieli)",
}
_OTHER_NAMES = {"bh": "fdr", "fdr_bh": "fdr", "fdr_by": "by", "single-step": "mvt", None: "none"}
_MULTIPLETESTS = {
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "hommel": "hommel",
    "fdr": "fdr_bh",
    "by": "fdr_by",
}
# Degrees of freedom that differ by less than this share have the same critical value.
ALIKE = 1e-7
# Where critical values are interpolated in 1 / df, where that is checked, and what it may be off.
NODES = np.cos(np.pi * (2 * np.arange(7) + 1) / 14)
PROBE = 0.9
INTERPOLATED = 1e-7


def adjustment_named(name: str | None) -> str:
    """Return the name of an adjustment that a user asked for.

    Raises
    ------
    OptionError
        If there is none of this name.
    """
    lower = name.lower() if isinstance(name, str) else name
    found = _OTHER_NAMES.get(lower, lower)
    if found not in ADJUSTMENTS and isinstance(found, str):
        begun = [known for known in ADJUSTMENTS if found and known.startswith(found)]
        found = begun[0] if len(begun) == 1 else found
    if found not in ADJUSTMENTS:
        raise OptionError(f"adjust= is one of {', '.join(ADJUSTMENTS)}, not {name!r}.")
    return str(found)


@dataclass(frozen=True, eq=False)
class Family:
    """Functions that are adjusted for one another.

    Parameters
    ----------
    adjust : str
        The adjustment.
    means : int
        Number of means that are compared.
    rank : int
        Dimensions of the space of the functions.
    t, df : ndarray, shape (m,)
        Statistics, NaN where there is none, and their degrees of freedom.
    correlation : callable
        Makes the correlations, shape (m, m), where they are needed.
    """

    adjust: str
    means: int
    rank: int
    t: Array
    df: Array
    correlation: Callable[[], Array]

    @property
    def words(self) -> str:
        """What was done, for the reader of a table; empty if nothing was."""
        tests = int(np.sum(~np.isnan(self.t)))
        if tests < 2:
            return ""
        return ADJUSTMENTS[self.adjust].format(means=self.means, tests=tests, rank=self.rank)

    def pvalues(self) -> Array:
        """Return adjusted two-sided p-values, shape (m,)."""
        out, known = np.full(len(self.t), np.nan), ~np.isnan(self.t)
        t, df = np.abs(self.t[known]), self.df[known]
        if not len(t):
            return out
        raw = two_sided(t, df)
        if len(self.t) == 1 or self.adjust == "none":
            out[known] = raw
        elif self.adjust == "tukey":
            tail = _studentized_range_tail(np.sqrt(2.0) * t, self.means, df)
            out[known] = _within_bounds(tail, raw, self.means * (self.means - 1) / 2)
        elif self.adjust in ("dunnett", "mvt"):
            tail = exceedance(t, df, self.correlation()[np.ix_(known, known)])
            out[known] = _within_bounds(tail, raw, len(t))
        elif self.adjust == "dunnettx":
            out[known] = np.clip(1.0 - _near_dunnett(t, len(self.t), df), 0.0, 1.0)
        elif self.adjust == "scheffe":
            out[known] = _f_tail(t**2 / self.rank, self.rank, df)
        elif self.adjust == "sidak":
            with np.errstate(divide="ignore"):
                out[known] = -np.expm1(len(t) * np.log1p(-raw))
        elif self.adjust == "bonferroni":
            out[known] = np.minimum(1.0, len(t) * raw)
        else:
            out[known] = multipletests(raw, method=_MULTIPLETESTS[self.adjust])[1]
        return out

    def critical(self, level: float) -> Array:
        """Return multiples of the standard errors that give simultaneous intervals, (m,)."""
        out, known = np.full(len(self.t), np.nan), ~np.isnan(self.t)
        df, tests = self.df[known], int(known.sum())
        if not tests:
            return out
        if len(self.t) == 1 or self.adjust == "none":
            out[known] = stdtrit(df, 0.5 + level / 2)
        elif self.adjust == "tukey":
            out[known] = _smooth(df, lambda d: _range_quantile(level, self.means, d)) / np.sqrt(2.0)
        elif self.adjust in ("dunnett", "mvt"):
            correlation = self.correlation()[np.ix_(known, known)]
            out[known] = _smooth(df, quantiles(level, correlation))
        elif self.adjust == "dunnettx":
            out[known] = _smooth(df, lambda d: _near_dunnett_quantile(level, len(self.t), d))
        elif self.adjust == "scheffe":
            out[known] = np.sqrt(self.rank * _f_quantile(level, self.rank, df))
        else:
            sidak = self.adjust == "sidak"
            within = -np.expm1(np.log(level) / tests) if sidak else (1 - level) / tests
            out[known] = -stdtrit(df, within / 2)
        return out


def _within_bounds(tail: Array, raw: Array, tests: float) -> Array:
    """Keep the tail of a maximum between that of one of its parts and Bonferroni's bound.

    Far out it is 1 minus a probability without any digits left, and close to that bound.
    """
    return np.asarray(np.clip(tail, raw, np.minimum(1.0, tests * raw)))


def _smooth(df: Array, compute: Callable[[float], float]) -> Array:
    """Compute a smooth function of 1 / df, which is expensive, for several df."""
    x = 1.0 / df
    low, high = float(x.min()), float(x.max())
    if high - low <= ALIKE * high:
        return np.full(len(df), compute(1.0 / high if high else np.inf))
    if len(np.unique(df)) <= len(NODES):
        return np.array([compute(float(value)) for value in df])
    # The polynomial through Chebyshev's nodes, if it holds between them.
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    values = [compute(1.0 / (middle + half * node)) for node in NODES]
    polynomial = BarycentricInterpolator(NODES, values)
    probe = middle + half * PROBE
    if abs(float(polynomial(PROBE)) - compute(1.0 / probe)) > INTERPOLATED:
        return np.array([compute(float(value)) for value in df])
    return np.asarray(polynomial((x - middle) / half))


def _studentized_range_tail(q: Array, means: int, df: Array) -> Array:
    # Slow to import, and only for this.
    from scipy.stats import studentized_range  # noqa: PLC0415

    return np.asarray(studentized_range.sf(q, means, df))


def _range_quantile(level: float, means: int, df: float) -> float:
    from scipy.stats import studentized_range  # noqa: PLC0415 - as above

    # Between the quantiles for one pair and, by Bonferroni, for all.
    tail = (1.0 - level) / 2.0
    low, high = np.sqrt(2.0) * np.asarray(stdtrit(df, [1.0 - tail, 1.0 - tail / means**2]))

    def beyond(q: float) -> float:
        return float(studentized_range.cdf(q, means, df)) - level

    return float(brentq(beyond, 0.99 * low, 1.01 * high, xtol=1e-10))


def _near_dunnett(t: Array, tests: int, df: Array) -> Array:
    """Return P(max |T_i| <= t) as emmeans has it: a mixture of Tukey's and Sidak's."""
    from scipy.stats import studentized_range  # noqa: PLC0415 - as above

    means = (1.0 + np.sqrt(1.0 + 8.0 * tests)) / 2.0
    tukey = studentized_range.cdf(np.sqrt(2.0) * t, means, df)
    sidak = (1.0 - two_sided(t, df)) ** tests
    return np.asarray(tukey + (sidak - tukey) / tests)


def _near_dunnett_quantile(level: float, tests: int, df: float) -> float:
    tail = (1.0 - level) / 2.0
    low, high = np.asarray(stdtrit(df, [1.0 - tail, 1.0 - tail / tests]))

    def beyond(t: float) -> float:
        return float(_near_dunnett(np.array([t]), tests, np.array([df]))[0]) - level

    return float(brentq(beyond, 0.9 * low, 1.1 * high, xtol=1e-9))


def _f_tail(f: Array, rank: int, df: Array) -> Array:
    finite = np.where(np.isinf(df), 1.0, df)
    return np.asarray(np.where(np.isinf(df), chdtrc(rank, rank * f), fdtrc(rank, finite, f)))


def _f_quantile(level: float, rank: int, df: Array) -> Array:
    finite = np.where(np.isinf(df), 1.0, df)
    limit = chdtri(rank, 1.0 - level) / rank
    return np.asarray(np.where(np.isinf(df), limit, fdtri(rank, finite, level)))
