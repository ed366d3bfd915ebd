"""Where the fit of rows that are read in batches starts: as `generalized.start` has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..._core.streamed import RowsOfBatch
from ..._typing import Array
from ..families.spec import FamilySpec, family_object
from ..generalized.start import LITTLE

__all__ = ["FoundStart", "StartOfRows"]

# Rough coefficients are enough for a start, and each step is a pass.
MAX_ITERATIONS = 25
TOLERANCE = 1e-6
# Shares of coefficients that are tried, the rest of the mean response.
SHARES = (1.0, 0.5, 0.2, 0.05, 0.0)


class FoundStart(NamedTuple):
    """Working coefficients, log dispersion if there is one, units of rows, and the mean response.

    For the units see `set_unit`.
    """

    gamma: Array
    zeta: list[float]
    unit: float
    row_unit: float
    mean: float


class StartOfRows:
    """Finds the model without random effects, by passes over the rows.

    Parameters
    ----------
    batches : callable
        Starts a pass.
    n : int
        Number of rows.
    spec : FamilySpec
    """

    def __init__(
        self, batches: Callable[[], Iterator[RowsOfBatch]], n: int, spec: FamilySpec
    ) -> None:
        self.batches, self.n, self.spec = batches, n, spec
        self.family = family_object(spec)

    def find(self, rank: int) -> FoundStart:
        """Return the start of a model of this many coefficients."""
        with np.errstate(all="ignore"):
            constant, mean = self._mean(rank)
            gamma = self._coefficients(rank)
            zeta = [self._log_dispersion(gamma, mean)] if self.spec.has_dispersion else []
            gamma = np.where(np.isfinite(gamma), gamma, constant)
            gamma, unit = self._usable(gamma, constant, zeta[0] if zeta else 0.0)
            return FoundStart(gamma, zeta, unit, self._row_unit(mean), mean)

    def _eta(self, rows: RowsOfBatch, gamma: Array) -> Array:
        eta: Array = rows.X @ gamma
        return eta if rows.offset is None else eta + rows.offset

    def _mean(self, rank: int) -> tuple[Array, float]:
        """Return the coefficients of the predictor of the mean response, and that mean."""
        total = start = 0.0
        ones, shift = np.zeros(rank), np.zeros(rank)
        for rows in self.batches():
            total += float(rows.y.sum())
            start += float(self.family.starting_mu(rows.y).sum())
            ones += rows.X.sum(axis=0)
            if rows.offset is not None:
                shift += rows.X.T @ rows.offset
        level = float(self.family.link(start / self.n))
        return (level * ones - shift) / self.n, total / self.n

    def _coefficients(self, rank: int) -> Array:
        """Fit the generalized linear model by iteratively reweighted least squares."""
        gamma: Array = np.zeros(rank)
        for iteration in range(MAX_ITERATIONS if rank else 0):
            normal, right = np.zeros((rank, rank)), np.zeros(rank)
            for rows in self.batches():
                self._add_normal(rows, gamma if iteration else None, normal, right)
            normal.flat[:: rank + 1] *= 1.0 + 1e-12  # separated data lose rank
            try:
                step: Array = np.asarray(np.linalg.solve(normal, right))
            except np.linalg.LinAlgError:
                return np.full(rank, np.nan)
            change = float(np.abs(step - gamma).max() / (1.0 + np.abs(step).max()))
            gamma = step
            if change < TOLERANCE:
                break
        return gamma

    def _add_normal(
        self, rows: RowsOfBatch, gamma: Array | None, normal: Array, right: Array
    ) -> None:
        """Add what rows contribute to the normal equations; without gamma at the responses."""
        link, shift = self.family.link, 0.0 if rows.offset is None else rows.offset
        if gamma is None:
            mu = self.family.starting_mu(rows.y)
            eta = link(mu)
        else:
            eta = self._eta(rows, gamma)
            mu = link.inverse(eta)
        slope = link.deriv(mu)
        working = 1.0 / (slope * slope * self.family.variance(mu))
        if rows.weights is not None:
            working = working * rows.weights
        target = eta - shift + (rows.y - mu) * slope
        usable = np.isfinite(working) & np.isfinite(target) & (working > 0)
        if not usable.all():
            working, target = (np.where(usable, each, 0.0) for each in (working, target))
        weighted = rows.X * working[:, None]
        normal += weighted.T @ rows.X
        right += weighted.T @ target

    def _log_dispersion(self, gamma: Array, mean: float) -> float:
        """Return the logarithm of a moment estimate of phi, or of alpha."""
        total, rows_counted = 0.0, 0.0
        alpha = self.spec.family == "negative_binomial"
        for rows in self.batches():
            known = np.isfinite(gamma).all()
            mu = self.family.link.inverse(self._eta(rows, gamma)) if known else mean
            square = (rows.y - mu) ** 2
            each = (square - mu) / mu**2 if alpha else square / self.family.variance(mu)
            weights = np.ones(len(each)) if rows.weights is None else rows.weights
            total += float(weights @ each)
            # Weights divide phi; those of counts multiply rows.
            rows_counted += float(weights.sum()) if alpha else len(each)
        moment = total / rows_counted
        if alpha:
            return float(np.log(min(max(moment, 1e-4), 1e4) if np.isfinite(moment) else 1.0))
        return float(np.log(moment if np.isfinite(moment) and moment > 0 else 1.0))

    def _information_at(self, trials: list[Array], zeta: float) -> list[tuple[float, float]]:
        """Return the log-likelihood and the mean information of a row at each of some trials."""
        sums = np.zeros((len(trials), 2))
        for rows in self.batches():
            for at, trial in enumerate(trials):
                each = self._rows(rows, self._eta(rows, trial), zeta)
                sums[at] += [np.sum(each["loglik"]), np.sum(each["w"])]
        found = []
        for total, information in sums.tolist():
            possible = np.isfinite(total) and 0 < information < np.inf
            found.append((total, information / self.n) if possible else (-np.inf, 0.0))
        return found

    def _rows(self, rows: RowsOfBatch, eta: Array, zeta: float) -> dict[str, Array]:
        spec = self.spec
        return spec.rows(
            rows.y,
            eta,
            weights=rows.weights,
            zeta=zeta,
            observed=False,
        )

    def _usable(self, gamma: Array, constant: Array, zeta: float) -> tuple[Array, float]:
        """Move coefficients towards a constant until every row has a likelihood."""
        (worst, of_constant), first = self._information_at([constant, gamma], zeta)
        least = LITTLE * of_constant if self.spec.family == "binomial" else 0.0
        trial = gamma
        for share in SHARES:
            if share < 1.0:
                trial = share * gamma + (1.0 - share) * constant
                first = self._information_at([trial], zeta)[0]
            reached, information = first
            if information > least and reached >= worst:
                return trial, 1.0 / float(np.sqrt(information))
        return gamma, 1.0

    def _row_unit(self, mean: float) -> float:
        """Return the unit of rows near their responses; see `CoreGeneralized.set_target`."""
        link, total = self.family.link, 0.0
        middle = link(np.full(1, mean))
        for rows in self.batches():
            target = np.asarray(link(0.9 * rows.y + 0.1 * mean), dtype=float)
            target = np.where(np.isfinite(target), target, middle)
            total += float(np.sum(self._rows(rows, target, 0.0)["w"]))
        return float(np.sqrt(self.n / total)) if 0 < total < np.inf else 1.0
