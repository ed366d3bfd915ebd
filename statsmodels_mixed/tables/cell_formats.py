"""Formats of cells: numbers and p-values as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

__all__ = ["common_decimals", "fixed", "p_value", "plain", "significant"]

SIGNIFICANT_DIGITS = 6
MOST_DECIMALS = 10


def plain(value: Any) -> str:
    """Format a cell as `str` does."""
    return str(value)


def significant(value: float) -> str:
    """Format a number to six significant digits, trailing zeros dropped."""
    return f"{value:.{SIGNIFICANT_DIGITS}g}"


def fixed(decimals: int | None) -> Callable[[float], str]:
    """Return a formatter for `decimals` decimals; None means scientific notation."""
    return partial(_fixed, decimals=decimals)


def _fixed(value: float, decimals: int | None) -> str:
    if decimals is None:
        return f"{value:.{SIGNIFICANT_DIGITS - 1}e}"
    return f"{value:.{decimals}f}"


def p_value(value: float) -> str:
    """Format a p-value: four decimals, or the power of ten it lies below.

    >>> p_value(0.03), p_value(3.2e-12), p_value(0.0)
    ('0.0300', '<1e-11', '<1e-99')
    """
    if math.isnan(value) or value >= 1e-4:
        return f"{value:.4f}"
    power = -99 if value <= 0 else max(-99, math.ceil(math.log10(value)))
    return f"<1e{power:03d}"


def common_decimals(values: Sequence[float]) -> int | None:
    """Return how many decimals give every value six significant digits.

    Trailing zeros do not count. None means that fixed notation would be unreadable
    because the values are very large or very small.

    >>> common_decimals([565.51066, 5.7168299]), common_decimals([0.5, 0.0])
    (5, 1)
    """
    decimals = 0
    for value in values:
        if value == 0 or not math.isfinite(value):
            continue
        if abs(value) >= 1e10:
            return None
        mantissa, _, exponent = f"{value:.{SIGNIFICANT_DIGITS}g}".partition("e")
        places = len(mantissa.partition(".")[2]) - int(exponent or 0)
        decimals = max(decimals, places)
    return decimals if decimals <= MOST_DECIMALS else None
