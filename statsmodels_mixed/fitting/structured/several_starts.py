"""The least of the minima that several starts lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..._typing import Array
from ..search.trust_region import NOISE, TOLERANCE, Evaluate, Minimum, minimize_newton

__all__ = ["MANY_ROWS", "SETTLED", "best_minimum"]

# Rows for each parameter from which the likelihood is taken to have one maximum.
MANY_ROWS = 50

# A promise of the quadratic model that leaves every estimate right to a millionth of its standard
# error, as equivalent data and equivalent models must have it.
SETTLED = 1e-13
# Two minima with objectives closer than this are one.
SAME = 1e-6
# A run gains at most this times what its quadratic model promises.
TRUSTED = 10.0
# Evaluations after which a run from another start must be below the minima that are known.
MOST_OF_OTHERS = 150


def best_minimum(
    evaluate: Evaluate,
    starts: Sequence[Array],
    *,
    longest: Array | None = None,
    max_eval: int = 500,
    tolerance: float = TOLERANCE,
    settled: float = np.inf,
    rounding: float = NOISE,
    units: Array | None = None,
) -> Minimum:
    """Minimize from several starts and return the least minimum found.

    A later run ends when it comes into the neighbourhood of a minimum that is known, promises no
    lower one, or is still above all of them after some evaluations. See `minimize_newton` for the
    parameters; the points and values of the result are those of all runs.
    """
    found: list[Minimum] = []
    runs: list[Minimum] = []

    def known(x: Array, value: float, promise: float) -> bool:
        if value - TRUSTED * promise > min(one.value for one in found) - SAME:
            return True
        for one in found:
            away = x - one.end
            model = one.value + 0.5 * float(away @ one.curvature @ away)
            if value - one.value < 2.0 and abs(value - model) < 0.2 * (value - one.value) + SAME:
                return True
        return False

    def descend(start: Array, limit: int) -> Minimum:
        run = minimize_newton(
            evaluate,
            start,
            longest=longest,
            max_eval=limit,
            tolerance=tolerance,
            settled=settled,
            rounding=rounding,
            stop=known if found else None,
            units=units,
        )
        runs.append(run)
        return run

    for start in starts:
        few = bool(found) and not 0 < max_eval <= MOST_OF_OTHERS
        run = descend(start, MOST_OF_OTHERS if few else max_eval)
        if few and run.status == "MAXEVAL_REACHED":
            if run.value >= min(one.value for one in found):
                continue
            run = descend(run.end, max_eval)
        if run.status not in ("STOPPED", "FAILURE"):
            found.append(run)
    if not found:
        return runs[0]
    least = min(one.value for one in found)
    best = min(
        (one for one in found if one.value <= least + SAME), key=lambda one: not one.converged
    )
    return replace(
        best,
        evaluations=sum(one.evaluations for one in runs),
        failures=sum(one.failures for one in runs),
        points=np.concatenate([one.points for one in runs]),
        values=np.concatenate([one.values for one in runs]),
    )
