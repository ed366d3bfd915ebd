"""Random effects whose variance has no finite estimate.

Where the tails of an inverse link fall as a power, those of cauchit as 1 / eta, and random effects
tell all responses apart, the objective falls as they grow and levels off: log|Omega| tends to a
constant. A search goes on until its steps are lost in rounding, and a gradient that has vanished
there is none of a maximum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._core import CoreGeneralized
from ..._typing import Array

__all__ = ["without_end"]


# Standard deviations, over the change of a predictor that one row can detect, that are asked
# whether they have an end; counts of 1e12 may be below. Larger ones than the second have none:
# responses do not tell them from still larger ones.
LARGE, LOST = 1e6, 1e12
# How many times as large effects are that have no end.
FURTHER = 10.0
# An objective that is higher by less than this does not rise.
LEVEL = 1e-5


def without_end(
    core: CoreGeneralized,
    end: Array,
    objective: float,
    beta: slice,
    sizes: Array,
    names: Sequence[str],
) -> str | None:
    """Say that a likelihood has no maximum if larger random effects are as likely as large ones.

    Parameters
    ----------
    core : CoreGeneralized
        Not solved at the end afterwards.
    end : ndarray
        Working parameters, theta first.
    objective : float
        There.
    beta : slice
        Where coefficients are among them.
    sizes : ndarray, shape (n_theta,)
        Theta in units of the change of a predictor that one row can detect.
    names : sequence of str
        The grouping factor of each.

    Returns
    -------
    str or None
        A sentence.
    """
    large = ~(np.abs(sizes) <= LARGE)
    if not large.any():
        return None
    effects, all_of_them = np.ones(len(end)), np.ones(len(end))
    effects[: len(large)][large] = FURTHER
    all_of_them[: len(large)] = all_of_them[beta] = FURTHER
    values = [core.fresh_value(end * factors) for factors in (effects, all_of_them)]
    level = any(value <= objective + LEVEL for value in values)
    if not (level or np.abs(sizes).max() > LOST):
        return None
    which = " and ".join(repr(name) for name in dict.fromkeys(np.array(names)[large].tolist()))
    return (
        f"The likelihood has no maximum: it is as high for random effects of {which} that are "
        f"{FURTHER:g} times as large, and so on; take another link, or fewer effects."
    )
