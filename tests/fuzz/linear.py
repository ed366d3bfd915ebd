"""Fits of random linear models against the dense criterion and an independent optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from .dense import Criterion, Point, criterion_of
from .linear_models import LinearCase, draw
from .many_digits import at_many_digits
from .outcome import Outcome, watch

__all__ = ["check"]

SAME = 1e-6  # objectives, and estimates in standard errors
LARGEST = (
    1e7  # objective whose rounding leaves the estimates six digits (not so 9.5e7, seed 141340)
)
VANISHING = 1e-4  # a residual standard deviation, relative to that of the other optimum
BASIN = 1e-4  # how far above another start's optimum an objective may be


def check(seed: int) -> Outcome:
    """Fit the model of a seed and compare it with dense linear algebra."""
    outcome, case = Outcome(seed), draw(seed)
    fitted = watch(outcome, "fit", case.fit)
    if fitted.refusal is not None:
        outcome.counts.append(f"{type(fitted.refusal).__name__}: {str(fitted.refusal)[:50]}")
    if fitted.value is None:
        return outcome
    result = fitted.value
    criterion = criterion_of(result.model.design, result.estimates.columns, **case.how)
    outcome.counts.append("fitted")
    outcome.counts += ["singular"] * result.issingular()
    if not result.converged:
        outcome.counts.append("not converged")
        return outcome
    if abs(result.objective) > LARGEST:
        outcome.counts.append("too large an objective")
        return outcome
    with np.errstate(all="ignore"):
        _same_numbers(outcome, case, result, criterion)
        _no_better_optimum(outcome, case, result, criterion)
    return outcome


def _same_numbers(outcome: Outcome, case: LinearCase, result: Any, criterion: Criterion) -> None:
    """Objective, sigma, coefficients and standard errors are those of the dense algebra.

    Where they are not, sixty digits decide: T of 1e7 and weights ten orders apart leave the
    dense algebra too few.
    """
    compared = _compared(result, criterion.at(result.theta))
    if compared:
        outcome.counts.append("compared with sixty digits")
        compared = _compared(result, _exact(case, result, result.theta))
    for kind, off in compared:
        outcome.fail(kind, f"{off:.3g}")
    again = result.model.objective(result.theta, reml=result.reml) if not _fixed(result) else None
    if again is not None:
        off = abs(result.objective - again)
        outcome.require(off <= SAME, "objective is not a fresh evaluation", f"{off:.3g}")


def _exact(case: LinearCase, result: Any, theta: np.ndarray) -> Point:
    return at_many_digits(result.model.design, result.estimates.columns, theta, **case.how)


def _compared(result: Any, point: Point) -> list[tuple[str, float]]:
    """What is not as at a point of dense algebra, and by how much."""
    kept = result.estimates
    errors = np.sqrt(kept.sigma**2 * np.diag(kept.cov_unscaled))
    objective = abs(result.objective - point.value) / max(1.0, abs(point.value) / 1000)
    found = [("objective is not the dense one", objective)]
    for name, got, wanted in (
        ("beta", kept.beta, point.beta),
        ("bse", errors, point.errors),
        ("sigma", [kept.sigma], [point.sigma]),
    ):
        scale = point.sigma if name == "sigma" else point.errors
        off = float(np.max(np.abs(np.subtract(got, wanted)) / scale, initial=0))
        found.append((f"{name} is not the dense one", off))
    return [(kind, off) for kind, off in found if not off <= SAME]


def _fixed(result: Any) -> bool:
    return bool(result.estimates.sigma_fixed)


def _starts(result: Any) -> dict[str, np.ndarray]:
    """The identity as lme4 has it, small and large T in units of the columns, the estimates."""
    design = result.model.design
    sizes = [np.outer(1 / b.column_sizes(design.weights), np.ones(len(b.names)))
             for b in design.blocks]  # fmt: skip
    unit = [(np.eye(len(b.names)) * s).T[b.pattern.T]
            for b, s in zip(design.blocks, sizes, strict=True)]  # fmt: skip
    scaled = np.concatenate(unit)
    ones = (scaled > 0).astype(float)
    nudge = np.where(np.abs(result.theta) < 1e-3 * scaled.max(), 0.03 * scaled.max(), 0)
    return {"theta = 1": ones, "small": 0.1 * scaled, "large": 5 * scaled,
            "estimates": result.theta + nudge}  # fmt: skip


def _no_better_optimum(
    outcome: Outcome, case: LinearCase, result: Any, criterion: Criterion
) -> None:
    """Descend from several starts by scipy; none may end below a converged objective."""
    ends: dict[str, float] = {}
    points: dict[str, np.ndarray] = {}
    for name, start in _starts(result).items():
        scale = np.abs(start).max() or 1.0
        run = minimize(
            lambda t, s=scale: _scaled(criterion, t, s),
            start / scale,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 60, "ftol": 1e-11},
        )
        ends[name], points[name] = float(run.fun), run.x * scale
    for name, value in ends.items():
        if np.isfinite(value) and result.objective - value > BASIN:
            ends[name] = _exact(case, result, points[name]).value
    usable = {name: value for name, value in ends.items() if np.isfinite(value)}
    if not usable:
        return
    best = min(usable, key=usable.__getitem__)
    above = result.objective - usable[best]
    if above <= BASIN:
        return
    if criterion.at(points[best]).sigma < VANISHING * result.estimates.sigma:
        outcome.fail("likelihood without bound", f"{above:.3g}")
    elif result.objective - usable.get("estimates", np.inf) > BASIN:
        outcome.fail("converged where a descent goes on", f"{above:.3g}")
    elif result.objective - usable.get("theta = 1", np.inf) > BASIN:
        outcome.fail("above the optimum of theta = 1", f"{above:.3g}")
    else:
        outcome.fail("above the optimum of another start", f"{above:.3g}")


def _scaled(criterion: Criterion, theta: np.ndarray, scale: float) -> tuple[float, np.ndarray]:
    value, gradient = criterion(theta * scale)
    if not np.isfinite(value):
        return 1e300, np.zeros_like(theta)
    return value, gradient * scale
