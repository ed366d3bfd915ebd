"""Partial autocorrelations: any values between -1 and 1 make a stationary process.

Durbin's and Levinson's recursion goes from them to autocorrelations, or to the coefficients of
an autoregression (Barndorff-Nielsen and Schou 1973).
"""

from __future__ import annotations

from .jets import Jet, extended, spread

__all__ = ["autocorrelations", "autoregressive_coefficients"]


def _next(row: Jet, partial: Jet) -> Jet:
    """Return the coefficients of the autoregression of one order more."""
    n = len(row.value)
    return extended(row - spread(partial, n) * row[::-1], partial)


def autoregressive_coefficients(partials: list[Jet]) -> list[Jet]:
    """Return the coefficients of the autoregression with these partial autocorrelations."""
    if not partials:
        return []
    row = spread(partials[0], 1)
    for partial in partials[1:]:
        row = _next(row, partial)
    return [row[i] for i in range(len(partials))]


def autocorrelations(partials: list[Jet]) -> Jet:
    """Return the autocorrelations at lags 1, 2, ... with these partial autocorrelations, (n,)."""
    found = row = spread(partials[0], 1)
    variance = 1.0 - partials[0] * partials[0]
    for partial in partials[1:]:
        ahead = partial * variance + (row * found[::-1]).sum()
        found = extended(found, ahead)
        row = _next(row, partial)
        variance = (1.0 - partial * partial) * variance
    return found
