"""Ratios of the parts of a fit: exponentials of coefficients on logarithmic and logit scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ratios import name_of_ratio

if TYPE_CHECKING:
    from .base import DistributionalFit

__all__ = ["names_of_ratios"]

_OF_PARTS = {"zi": "odds ratio", "hurdle": "odds ratio", "disp": "ratio"}


def names_of_ratios(fit: DistributionalFit) -> dict[str, str]:
    """Return what the exponential of each coefficient is called.

    Shapes, thresholds and effects on thresholds have none.

    Parameters
    ----------
    fit : DistributionalResults

    Returns
    -------
    dict of str to str
        By name of the coefficient.

    Raises
    ------
    OptionError
        If it is no ratio for coefficients of the mean.
    """
    of_mean, own = name_of_ratio(fit._spec), set(fit.estimates.rows.names)
    of_own = {name: _OF_PARTS.get(name.partition(": ")[0], "") for name in own}
    found = {name: of_own.get(name, of_mean) for name in fit._names}
    return {name: ratio for name, ratio in found.items() if ratio}
