"""A solved point of `probe_newton`, in the units of the user: its report and its estimates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..._typing import Array
from ..covariance import canonical, factors_of, is_singular, signs_changed, theta_of
from ..estimates import LinearEstimates
from ..fixed_effects.basis import OnBasis
from ..search.optimize import FitReport
from ..search.probe_newton import ProbedRun
from .criterion import CriterionPoint

__all__ = ["point_estimates", "point_report"]


# A fit has converged when the model promises less than this at its end.
CONVERGED_PROMISE = 1e-4


def point_report(
    run: ProbedRun,
    *,
    optimizer: str,
    constant: float,
    objective: float,
    outward: Callable[[Array], Array],
    gradient: Array,
) -> FitReport:
    """Return what happened during a fit.

    Parameters
    ----------
    run : ProbedRun
    optimizer : str
        Its name.
    constant : float
        The objective in the user's units less that of the run.
    objective : float
        Of the run at its end.
    outward : callable
        Takes parameters of the run to those of the user.
    gradient : ndarray
        At the end, in the parameters of the user.
    """
    point, log = run.point, run.log
    return FitReport(
        optimizer=optimizer,
        status=run.status,
        message=run.message,
        converged=point.promise < CONVERGED_PROMISE,
        start=outward(log[0].parameters),
        end=outward(point.parameters),
        initial_objective=float(log[0].values.mean()) + constant,
        objective=objective + constant,
        evaluations=len(log),
        gradient=gradient,
        gradient_norm=point.promise,
        hessian_min_eigenvalue=float(point.spectrum[0][0]),
        failed_evaluations=sum(not np.all(np.isfinite(each.values)) for each in log),
        fitlog_theta=outward(np.array([each.parameters for each in log])),
        # The log has the values that the steps were judged by.
        fitlog_objective=np.array([each.values.mean() for each in log]) + constant,
    )


def point_estimates(
    point: CriterionPoint, report: FitReport, sigma: float | None, logdet: float
) -> LinearEstimates:
    """Carry a solved point to the user's units; linear predictors are left empty.

    Parameters
    ----------
    point : CriterionPoint
    report : FitReport
    sigma : float or None
        A fixed residual standard deviation.
    logdet : float
        log|Omega|.
    """
    products, reml = point.criterion.products, point.criterion.reml
    patterns = point.criterion.patterns
    raw = factors_of(report.end, patterns)
    factors = canonical(raw, patterns)
    flips = signs_changed(raw, factors)
    scale, basis = products.y_scale, products.basis
    u = tuple(
        scale * part * flip for part, flip in zip(products.by_term(point.u), flips, strict=True)
    )
    b = tuple(part @ T.T for part, T in zip(u, factors, strict=True))
    beta = basis.coefficients(products.gamma + scale * point.beta)
    covariance = basis.covariance(point.inverse)
    estimated = scale * float(np.sqrt(point.r2 / point.dof))
    return LinearEstimates(
        reml=reml,
        theta=theta_of(factors, patterns),
        factors=factors,
        columns=basis.columns,
        beta=beta,
        cov_unscaled=covariance,
        errors_unscaled=np.sqrt(np.diag(covariance)),
        unscaled_on_basis=OnBasis(basis.inverse, point.inverse),
        sigma=estimated if sigma is None else sigma,
        sigma_fixed=sigma is not None,
        pwrss=point.r2 * scale**2,
        logdet_omega=logdet,
        logdet_xvx=point.logdet_xvx + basis.logdet,
        objective=report.objective,
        u=u,
        b=b,
        linear_predictor=np.empty(0),
        fitted=np.empty(0),
        singular=is_singular(factors_of(point.theta * products.column_sizes, patterns)),
        report=report,
    )
