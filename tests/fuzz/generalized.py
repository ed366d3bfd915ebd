"""Fits of random generalized models against brute force and against other starts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from glmm_oracle import Model
from oracle import Term
from scipy.optimize import minimize

from .generalized_models import GeneralizedCase, draw
from .outcome import Outcome, watch

__all__ = ["check"]

SAME = 1e-6
BASIN = 1e-4
SLOPE = 1e-3  # a change of the objective over a step, relative to the step
LEAST_ALPHA = 1e-6  # log-likelihoods of statsmodels cancel nearer to zero
LEAST_PHI = 1e-10  # and those of scipy for the gamma family
AT_MODES = 1e-4  # slope of the joint log-likelihood where brute force has found its modes
SURELY_AT_MODES = 1e-6  # and where log|Omega| has the digits of a tolerance of 1e-6
BRUTE_FORCE = 0.05  # share of models that scipy minimizes by brute force as well


def check(seed: int) -> Outcome:
    """Fit the model of a seed and compare it with brute force."""
    outcome, case = Outcome(seed), draw(seed)
    fitted = watch(outcome, "fit", case.fit)
    if fitted.refusal is not None:
        outcome.counts.append(f"{type(fitted.refusal).__name__}: {str(fitted.refusal)[:70]}")
    if fitted.value is None:
        return outcome
    result = fitted.value
    outcome.counts += ["fitted"] + ["singular"] * result.issingular()
    outcome.counts += ["separated"] * bool(len(result.separated))
    outcome.counts += ["not converged"] * (not result.converged)
    finite = np.isfinite(result.objective) and np.all(np.isfinite(result.params))
    outcome.require(finite, "NaN as success", result.objective)
    if not finite:
        return outcome
    _fresh_evaluation(outcome, case, result)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        _brute_force(outcome, case, result)
        if result.converged and not len(result.separated):
            _no_better_optimum(outcome, case, result)
    return outcome


def _evaluation_options(case: GeneralizedCase) -> dict[str, Any]:
    return {key: value for key, value in case.how.items() if key in ("n_agq", "hessian")}


def _fresh_evaluation(outcome: Outcome, case: GeneralizedCase, result: Any) -> None:
    """The objective of a new model at the estimates is the objective reported."""
    if case.how.get("fast"):
        return
    kept = result.estimates
    fresh = watch(
        outcome,
        "objective",
        lambda: case.model().objective(
            kept.theta, kept.beta, kept.dispersion, **_evaluation_options(case)
        ),
    )
    if fresh.value is None:
        outcome.fail("objective: refused", fresh.refusal)
        return
    off = abs(fresh.value - kept.objective)
    kind = "objective is not a fresh evaluation"
    outcome.require(off <= _tolerance(kept.objective), kind, f"{off:.3g}; {case}")


def _tolerance(value: float) -> float:
    return SAME * max(1.0, abs(value) / 1000)


def _cancels(case: GeneralizedCase, dispersion: float) -> bool:
    """Whether terms of the log-likelihoods of others cancel down to rounding errors."""
    least = {"negative_binomial": LEAST_ALPHA, "gamma": LEAST_PHI}.get(case.kind.family, 0.0)
    return dispersion < least


def brute_force_model(case: GeneralizedCase, result: Any, dispersion: float) -> Model:
    """The dense model of a fit."""
    design, kind = result.model.design, case.kind
    terms = tuple(Term(len(b.levels), b.refs, b.z, b.pattern) for b in design.blocks)
    return Model(
        terms,
        design.X[:, result.estimates.columns],
        design.y,
        weights=design.weights,
        offset=0.0 if design.offset is None else design.offset,
        **kind.at(dispersion),
    )


def _brute_force(outcome: Outcome, case: GeneralizedCase, result: Any) -> None:
    """Modes, Laplace's approximation or quadrature by dense algebra, at the estimates."""
    kept, how = result.estimates, case.how
    if _cancels(case, kept.dispersion):
        outcome.counts.append("dispersion too near 0 for brute force")
        return
    model = brute_force_model(case, result, kept.dispersion)
    fast = bool(how.get("fast"))
    try:
        u, beta, Z = model.modes(kept.theta, kept.beta, fast)
        value = model.objective(
            kept.theta,
            kept.beta,
            observed=how.get("hessian") == "observed",
            fast=fast,
            points=how.get("n_agq", 1),
        )
    except np.linalg.LinAlgError:
        outcome.counts.append("brute force failed")
        return
    if not np.isfinite(value):
        outcome.counts.append("brute force failed")
        return
    off = abs(value - kept.objective)
    own = np.concatenate([each.ravel() for each in kept.u])
    heights = []
    for modes, coefficients in ((u, beta), (own, kept.beta)):
        eta = model.X @ coefficients + model.offset + Z @ modes
        heights.append(model.rows(eta)[0].sum() - 0.5 * modes @ modes)
    if off <= _tolerance(value):
        at_modes = heights[0] <= heights[1] + _tolerance(value)
        outcome.require(at_modes, "modes and coefficients are not those of the objective", case)
        return
    if fast and len(result.separated):
        outcome.counts.append("separated: there are no joint modes")
    elif heights[0] > heights[1] + SAME:
        outcome.fail("the modes are not the best ones", f"{heights[0] - heights[1]:.3g}; {case}")
    elif heights[1] > heights[0] + SAME:
        outcome.counts.append("brute force found worse modes")
    elif abs(_at_modes(model, own, kept.beta, Z, how) - kept.objective) <= _tolerance(value):
        # The objective jumps there; only where it was searched for a minimum did it end so.
        outcome.counts.append("two modes of one height")
        outcome.require(not result.converged, "converged at two modes of one height", case)
    elif not (
        _certain(model, u, beta, Z, bool(how.get("hessian") == "observed"), fast)
        and _certain(model, own, kept.beta, Z, bool(how.get("hessian") == "observed"), fast)
    ):
        # Also at a fold, where the curvature of a mode is on its way to zero.
        outcome.counts.append("the determinant is not certain")
        outcome.require(not result.converged, "converged at an uncertain determinant", case)
    else:
        outcome.fail(
            "objective is not that of brute force", f"{value - kept.objective:.3g}; {case}"
        )


def _at_modes(
    model: Model, u: np.ndarray, beta: np.ndarray, Z: np.ndarray, how: dict[str, Any]
) -> float:
    """Laplace's approximation about these modes; infinity where they are none."""
    eta = model.X @ beta + model.offset + Z @ u
    loglik, slope, *information = model.rows(eta)
    if how.get("n_agq", 1) > 1 or not np.abs(Z.T @ slope - u).max() < AT_MODES:
        return np.inf
    Omega = (Z.T * information[how.get("hessian") == "observed"]) @ Z + np.eye(len(u))
    return float(-2.0 * loglik.sum() + u @ u + np.linalg.slogdet(Omega)[1])


def _certain(
    model: Model, u: np.ndarray, beta: np.ndarray, Z: np.ndarray, observed: bool, fast: bool
) -> bool:
    """Whether log|Omega| at these modes has its digits.

    One more Newton step changes it where modes are at the edge of the range of means, or in a tail
    where the likelihood is flat but for rounding; at an edge, or on a plateau on the way to a mode,
    the slope is not zero; and the digits of a Cholesky factor go with the condition of Omega scaled
    to a unit diagonal.
    """
    A = np.hstack([Z, model.X]) if fast else Z
    penalty = np.r_[np.ones(len(u)), np.zeros(A.shape[1] - len(u))]
    x, fixed = np.r_[u, beta][: A.shape[1]], model.offset + (0 if fast else model.X @ beta)
    logs = []
    for _ in range(2):
        _, slope, *information = model.rows(A @ x + fixed)
        gradient = A.T @ slope - penalty * x
        if not logs and not np.abs(gradient).max() <= SURELY_AT_MODES * (1 + np.abs(x).max()):
            return False
        Omega = (Z.T * information[observed]) @ Z + np.eye(len(u))
        H = (A.T * information[1]) @ A + np.diag(penalty)
        if not np.isfinite(Omega).all() or not np.isfinite(H).all():
            return False
        sign, log = np.linalg.slogdet(Omega)
        logs.append(log if sign > 0 else np.nan)
        x = x + np.linalg.lstsq(H, gradient)[0]
    root = np.sqrt(np.diag(Omega))
    rounding = np.finfo(float).eps * len(u) * np.linalg.cond(Omega / np.outer(root, root))
    return bool(abs(logs[1] - logs[0]) + rounding <= SAME)


def _no_better_optimum(outcome: Outcome, case: GeneralizedCase, result: Any) -> None:
    """Fits from other starts, sometimes by other optimizers, do not end lower."""
    rng, kept = np.random.default_rng([3, outcome.seed]), result.estimates
    signs = np.where(kept.theta == 0, 1.0, kept.theta)
    blocks = result.model.design.blocks
    diagonal = np.concatenate([np.eye(len(b.names)).T[b.pattern.T] for b in blocks])
    starts = {
        "theta = 1": diagonal,
        "small": 0.05 * diagonal,
        "estimates": kept.theta + 0.05 * (kept.theta == 0),
        "random": signs * rng.uniform(0.2, 3, len(kept.theta)),
    }
    ends = {}
    for name, start in starts.items():
        other = watch(Outcome(0), "other start", lambda start=start: case.fit(start=start))
        if other.value is not None and np.isfinite(other.value.objective):
            ends[name] = _verified(case, other.value)
    cancels = _cancels(case, kept.dispersion)
    if rng.random() < BRUTE_FORCE and not case.how.get("fast") and not cancels:
        ends["brute force"] = _descend(case, result)
    best = min(ends, key=ends.__getitem__, default=None)
    if best is None or kept.objective - ends[best] <= BASIN:
        return
    for name in ("estimates", "theta = 1", "brute force"):
        if kept.objective - ends.get(name, np.inf) > BASIN:
            best = name
            break
    where = "where a descent goes on" if best == "estimates" else f"above the optimum of {best}"
    outcome.fail(f"converged {where}", f"{kept.objective - ends[best]:.3g}; {case}")


def _verified(case: GeneralizedCase, other: Any) -> float:
    """An objective that brute force can confirm, else infinity."""
    kept = other.estimates
    model = brute_force_model(case, other, kept.dispersion)
    try:
        value = model.objective(
            kept.theta,
            kept.beta,
            observed=case.how.get("hessian") == "observed",
            fast=bool(case.how.get("fast")),
            points=case.how.get("n_agq", 1),
        )
    except np.linalg.LinAlgError:
        return np.inf
    same = abs(value - kept.objective) <= 10 * _tolerance(value)
    return float(kept.objective) if same else np.inf


def _descend(case: GeneralizedCase, result: Any) -> float:
    """Minimize the objective of brute force by a simplex from beside the estimates."""
    kept, k, p = result.estimates, len(result.estimates.theta), len(result.estimates.beta)
    errors = np.sqrt(np.diag(kept.cov_conditional))
    scale = np.r_[np.full(k, max(0.1, np.abs(kept.theta).max())), errors, 0.3]
    start = np.r_[kept.theta, kept.beta, np.log(kept.dispersion)]
    free = k + p + case.kind.has_dispersion

    def value(step):
        x = start + np.r_[step, np.zeros(len(start) - free)] * scale
        model = brute_force_model(case, result, float(np.exp(x[-1])))
        try:
            got = model.objective(x[:k], x[k : k + p], points=case.how.get("n_agq", 1),
                                  observed=case.how.get("hessian") == "observed")  # fmt: skip
        except np.linalg.LinAlgError:
            return np.inf
        return got if np.isfinite(got) else np.inf

    run = minimize(value, np.zeros(free), method="Nelder-Mead", options={"maxfev": 150})
    end = start + np.r_[run.x, np.zeros(len(start) - free)] * scale
    model = brute_force_model(case, result, float(np.exp(end[-1])))
    try:
        u, beta, Z = model.modes(end[:k], end[k : k + p])
    except np.linalg.LinAlgError:
        return np.inf
    slope = Z.T @ model.rows(model.X @ beta + model.offset + Z @ u)[1] - u
    return float(run.fun) if np.abs(slope).max() < AT_MODES else np.inf
