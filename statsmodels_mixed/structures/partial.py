"""Partial autocorrelations: any values between -1 and 1 make a stationary process.

Durbin's and Levinson's recursion goes from them to autocorrelations, or to the coefficients of
an autoregression (Barndorff-Nielsen and Schou 1973).
"""

from __future__ import annotations

from .jets import Jet

__all__ = ["autocorrelations", "autoregressive_coefficients"]


def _next(row: list[Jet], partial: Jet) -> list[Jet]:
    """Return the coefficients of the autoregression of one order more."""
    return [own - partial * other for own, other in zip(row, row[::-1], strict=True)] + [partial]


def autoregressive_coefficients(partials: list[Jet]) -> list[Jet]:
    """Return the coefficients of the autoregression with these partial autocorrelations."""
    row: list[Jet] = []
    for partial in partials:
        row = _next(row, partial)
    return row


def autocorrelations(partials: list[Jet]) -> list[Jet]:
    """Return the autocorrelations at lags 1, 2, ... with these partial autocorrelations."""
    found: list[Jet] = []
    row: list[Jet] = []
    variance: Jet | float = 1.0
    for partial in partials:
        ahead = partial * variance
        for coefficient, correlation in zip(row, found[::-1], strict=True):
            ahead = ahead + coefficient * correlation
        found.append(ahead)
        row = _next(row, partial)
        variance = (1.0 - partial * partial) * variance
    return found
