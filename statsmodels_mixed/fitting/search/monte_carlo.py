"""Monte Carlo errors of an iterative fit."""

from __future__ import annotations

from dataclasses import dataclass

from ..._typing import Array

__all__ = ["MonteCarlo"]


@dataclass(frozen=True)
class MonteCarlo:
    """How far a fit with other random probes would have ended from this one.

    Parameters
    ----------
    probes, seed : int
    objective : float
        Standard error of the objective.
    theta : ndarray, shape (n_theta,)
        Standard error of each covariance parameter, small beside its sampling error.
    beta : ndarray, shape (rank,)
        Standard error of each coefficient.
    scale : float
        Standard error of sigma, or of the dispersion.

    Examples
    --------
    >>> model = mixedlm2("diameter ~ 1 + (1 | plate) + (1 | sample)", datasets.load("penicillin"))
    >>> fit = model.fit(solver="iterative", probes=50)
    >>> fit.monte_carlo.probes
    50
    """

    probes: int
    seed: int
    objective: float
    theta: Array
    beta: Array
    scale: float

    @property
    def sentence(self) -> str:
        """What a reader of the fit must know of them."""
        of_beta = f" and {self.beta.max():.2g} for coefficients" if len(self.beta) else ""
        return (
            f"Solved iteratively with {self.probes} random probes: Monte Carlo errors are "
            f"{self.objective:.2g} for the objective, at most {self.theta.max():.2g} for "
            f"theta{of_beta}."
        )
