"""The optimum of a likelihood of rows with parameters: edges of their range, and poles.

A probability of zeros that tends to 0 makes the likelihood flat, and so do the overdispersion of a
negative binomial and the power of a Tweedie distribution that tends to 2, a gamma's. Newton steps
go there one unit at a time; a search that has not ended soon is tried at the edge itself, which is
the end if nothing is lower beside it. Coefficients of columns that tell zeros or ones apart go to
infinity in the same way, by steps that may be much shorter: such a search goes on from far away.

With inflated zeros h(u) need not be concave: as zeros are of either kind, a level may have two
conditional modes. Where two of them merge Omega is singular, and Laplace's approximation, which has
-log|Omega| / 2, has a pole that an integral has not. A search that ends near one says so; with
random effects of zeros others begin near the model without these. Quadrature, whose nodes are
spread by a matrix that is never singular, has no poles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreGeneralized
from ..._typing import Array
from ...errors import CoreError
from ...later import load
from ..covariance import factors_of
from ..families.spec import FamilySpec
from ..generalized.approximation import has_one_factor
from ..search.optimize import (
    NO_START,
    OTHER_START,
    FitOptions,
    FitReport,
    minimize,
    settled,
)
from ..search.runs import LOWER, descend, logged
from .hessian import curvature_of
from .likelihood import RowLikelihood
from .row_parameters import DISPERSION, SHAPE, ZEROS, RowParameters

__all__ = ["NEAR_NONE", "Edge", "RowSearch", "edges_of", "is_jump", "minimize_rows"]


# Evaluations until a search is looked at, in turn, the first time for edges: regular models need 10
# to 30 in all.
_LOOKS = (25, 25, 50, 200, 300)
# A decrease that small is then one towards a boundary, after many evaluations.
_NOTHING, _MANY = 1e-7, 100
# A decrease that is still promised where a search ended, of one that ended at a pole.
_STEEP = 0.1
# A logit or logarithm of nothing, and one that is close to it but for rounding.
_FAR, _NEAR = -35.0, -12.0
# Evaluations of a search along an edge, and how much higher the objective may be where it begins.
_ALONG, _HIGHER = 40, 3.0
# A slope towards the inside that is none.
_LEVEL = 1e-9
# Evaluations that have decreased the objective by less than so much creep: where some direction has
# less than this information, they may go on for ever. That many evaluations are left before.
_RECENT, _CREEP, _HARDLY_ANY, _SOON = 10, 0.05, 1e-2, 40
# How far the predictor of a row is moved along such directions; e^-20 of the slope is left.
_AWAY = 20.0
# Steps of differences along them, in units of predictors.
_STRIDE = 0.5
# Beside a jump at least half of that many last evaluations are higher by so much, or have no value.
_LAST, _JUMPS_BY = 20, 1.0
# Families whose overdispersion may be none.
_MAY_BE_POISSON = (
    "negative_binomial",
    "negative_binomial1",
    "truncated_negative_binomial",
    "truncated_negative_binomial1",
)
# Shares of the usual start of the effects on zeros that further searches begin with.
_NEARER = (0.1, 0.03)
# Variance of a random effect given the data, as a multiple of that without them, at which its
# conditional mode is about to split. Where the posterior is concave it is at most 1.
_SPLITTING = 10.0
_CLIFF = (
    "The likelihood is steep at the end of the search, as where a formula tells single rows apart: "
    "leave terms out of the formulas for zeros and dispersion."
)
_JUMP = (
    "The objective jumps beside the end of the search, as where counts of some rows hardly "
    "vary and a conditional mode meets one: the random effects of its level are far from normal. "
)
_FEWER_TERMS = "Leave terms out of the formulas for zeros and dispersion."
_SPLIT = (
    "Laplace's approximation is best where it does not hold: at parameters at which the "
    "conditional modes of a level are about to split in two, its zeros being of either kind. "
)
# What to do about it: with one grouping factor, with more, and after quadrature.
_QUADRATURE = "Take quadrature over the random effects of a level, such as n_agq=9."
_SIMPLER = (
    "Take fewer random effects, another family, hurdle=, or quadrature (n_agq=) with a single "
    "grouping factor."
)
_MORE_POINTS = "Take more points of quadrature (n_agq=), or fewer random effects."
NEAR_NONE = (
    "The search for larger variances of the random effects of zeros ended where Laplace's "
    "approximation does not hold; this is the maximum near none."
)


class Edge(NamedTuple):
    """A parameter whose limit is another distribution, and its value there.

    Parameters
    ----------
    at : int
        Its place among all parameters.
    value : float
    of_zeros : bool
        Whether it is the probability of zeros, random effects of which then mean nothing.
    """

    at: int
    value: float
    of_zeros: bool


def edges_of(spec: FamilySpec, rows: RowParameters, first: int) -> tuple[Edge, ...]:
    """Return the edges of parameters that are the same for all rows.

    Parameters
    ----------
    spec : FamilySpec
    rows : RowParameters
    first : int
        Where their coefficients begin among all parameters.
    """
    places = [(ZEROS, _FAR)] if rows.zeros == "inflation" else []
    places += [(DISPERSION, _FAR)] if spec.family in _MAY_BE_POISSON else []
    places += [(SHAPE, -_FAR)] if spec.family == "tweedie" else []
    found = []
    for place, value in places:
        X, at = rows.X[place], rows.alone(place)
        if X is not None and at is not None:
            found.append(Edge(first + at, value / float(X[0, at]), place == ZEROS))
    return tuple(found)


@dataclass(frozen=True)
class RowSearch:
    """A likelihood of rows with parameters, and how its maximum is looked for.

    Parameters
    ----------
    likelihood : RowLikelihood
    options : FitOptions
    """

    likelihood: RowLikelihood
    options: FitOptions

    @property
    def core(self) -> CoreGeneralized:
        """Where the objective is evaluated."""
        return self.likelihood.core

    @property
    def of_zeros(self) -> NDArray[np.bool_]:
        """Which elements of theta are of random effects of zeros."""
        return self.likelihood.of_zeros

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Parameters whose limit is another distribution."""
        likelihood = self.likelihood
        first = len(likelihood.of_zeros) + likelihood.problem.basis.Q.shape[1]
        return edges_of(likelihood.spec, likelihood.rows, first)

    @property
    def one_factor(self) -> bool:
        """Whether quadrature is possible."""
        return has_one_factor(self.likelihood.design)

    @property
    def quadrature(self) -> bool:
        """Whether the objective is a quadrature, which has no poles but may be coarse."""
        return self.likelihood.n_agq > 1

    @property
    def bends(self) -> bool:
        """Whether the likelihood of a row all but bends at a mean.

        As that of Conway-Maxwell-Poisson counts that hardly vary.
        """
        return self.likelihood.spec.family.endswith("conway_maxwell_poisson")

    def splits(self, report: FitReport) -> bool:
        """Return whether a conditional mode is about to split where the core is solved."""
        if self.quadrature:
            return False
        try:
            condvar = self.core.solution().condvar
        except CoreError:
            return False
        factors = factors_of(report.end[: len(self.of_zeros)], self.likelihood.patterns)
        for T, variances in zip(factors, condvar, strict=True):
            directions, sizes, _ = np.linalg.svd(T)
            known = sizes > 1e-6 * sizes.max(initial=0.0)
            W = directions[:, known] / sizes[known]
            if W.size and np.linalg.eigvalsh(W.T @ variances @ W).max() > _SPLITTING:
                return True
        return False

    def run(self, begin: Array) -> FitReport:
        """Minimize from a start; where the likelihood is flat for ever, only so far."""
        options, core = self.options, self.core
        if options.optimizer != "newton" or options.max_eval or options.max_time:
            return _at_boundary(minimize(core, begin, options))
        first = _LOOKS[0] if self.edges else _SOON
        report = minimize(core, begin, replace(options, max_eval=first))
        if _unfinished(report):
            report = self._along_edges(report)
        for evaluations in _LOOKS[1:]:
            if self.bends and _is_beside_jump(report):
                poles = report.gradient_norm > _STEEP and self.splits(report)
                return report if poles else self._beside_jump(report)
            if _unfinished(report):
                report = self._far_away(report)
            settled = report.gradient_norm < _NOTHING and report.evaluations > _MANY
            if not _unfinished(report) or settled:
                break
            before = report.objective
            try:
                run = minimize(core, report.end, replace(options, max_eval=evaluations))
            except CoreError:  # modes are not found there again
                if not self.bends:
                    raise
                return self._beside_jump(report)
            report = logged(report, run, run.fitlog_theta, run.fitlog_objective, run.evaluations)
            if _unfinished(report) and report.gradient_norm > _STEEP:
                if self.splits(report):
                    break
                if report.objective > before - LOWER:
                    return replace(report, message=_CLIFF)
        return _at_boundary(report)

    def go_on(self, begin: Array) -> FitReport | None:
        """Minimize from a start; None where there are no derivatives to go by."""
        try:
            return self.run(begin)
        except CoreError:
            return None

    def _beside_jump(self, report: FitReport) -> FitReport:
        """Say where the search ended, and move it to where modes are found again."""
        advice = _QUADRATURE if self.one_factor and not self.quadrature else _FEWER_TERMS
        moved_away = load("fitting.search.away_from_jumps:away_from_jumps")
        moved: FitReport = moved_away(self.core, report)
        return replace(moved, converged=False, message=_JUMP + advice)

    def _along_edges(self, report: FitReport) -> FitReport:
        """Return the end along an edge if that is a minimum that is not above the search."""
        few = replace(self.options, max_eval=_ALONG)
        for edge in self.edges:
            start = report.end.copy()
            start[edge.at] = edge.value
            if edge.of_zeros:
                start[: len(self.of_zeros)][self.of_zeros] = 0.0
            if not self.core.value_and_gradient(start)[0] < report.objective + _HIGHER:
                continue
            run = descend(self.core, start, few)
            if run is None:
                continue
            ended = _at_boundary(run).converged and run.objective <= report.objective
            if ended and self._rises(run, edge):
                self.core.value_and_gradient(run.end)
                found = logged(report, run, run.fitlog_theta, run.fitlog_objective, run.evaluations)
                return _at_boundary(found)
        return report

    def _far_away(self, report: FitReport) -> FitReport:
        """Return the end of a search that creeps to infinity; any other as it is."""
        recent = report.fitlog_objective[-_RECENT:]
        if not np.ptp(recent) < _CREEP:
            return report
        first = len(self.of_zeros)
        free = np.arange(first, len(report.end))
        H, evaluations = curvature_of(self.core, report.end, free)
        values, vectors = np.linalg.eigh(H) if np.all(np.isfinite(H)) else (np.ones(1), None)
        if vectors is None or not np.any(values < _HARDLY_ANY):
            return report
        level = vectors[:, values < _HARDLY_ANY]
        way = level @ self._newton_step(report.end, level)
        start = report.end.copy()
        start[first:] += way * (_AWAY / max(self._change_of_rows(way), 1e-300))
        evaluations += 1 + 2 * level.shape[1]
        report = replace(report, evaluations=report.evaluations + evaluations)
        if not self.core.value_and_gradient(start)[0] <= report.objective + _CREEP:
            return report
        run = descend(self.core, start, replace(self.options, max_eval=_ALONG))
        if run is None or not run.objective <= report.objective:
            return report
        return logged(report, run, run.fitlog_theta, run.fitlog_objective, run.evaluations)

    def _newton_step(self, center: Array, level: Array) -> Array:
        """Return the step along directions in which the objective falls as exponentials do.

        By differences as wide as these are curved: it is 1 for all rows that tend to an end.
        """
        moves = np.vstack([np.zeros((level.shape[1], len(self.of_zeros))).T, level]).T
        slope = level.T @ self.core.value_and_gradient(center)[1][len(self.of_zeros) :]
        D = np.empty((len(moves), len(moves)))
        for i, move in enumerate(moves):
            ends = [
                self.core.value_and_gradient(center + sign * _STRIDE * move)[1] @ moves.T
                for sign in (1.0, -1.0)
            ]
            D[i] = (ends[0] - ends[1]) / (2.0 * _STRIDE)
        D = (D + D.T) / 2.0
        if not np.all(np.isfinite(D)) or not np.linalg.eigvalsh(D).min() > 0:
            return -slope
        return np.asarray(-np.linalg.solve(D, slope))

    def _change_of_rows(self, change: Array) -> float:
        """Return the largest change of a row's parameter, of coefficients of all parts."""
        Q, rows = self.likelihood.problem.basis.Q, self.likelihood.rows
        rank = Q.shape[1]
        of_rows = rows.values(change[rank:]) - rows.constant
        return float(max(np.abs(Q @ change[:rank]).max(initial=0.0), np.abs(of_rows).max()))

    def _rises(self, run: FitReport, edge: Edge) -> bool:
        """Return whether the objective rises from an edge towards the inside."""
        beside = run.end.copy()
        beside[edge.at] *= _NEAR / _FAR
        slope = self.core.value_and_gradient(beside)[1][edge.at]
        return bool(slope * np.sign(edge.value) <= _LEVEL)


def minimize_rows(search: RowSearch, begin: Array) -> FitReport:
    """Minimize the objective; of several searches the first that ends at a minimum.

    Parameters
    ----------
    search : RowSearch
    begin : ndarray, shape (m,)
        Parameters to begin with, theta first.
    """
    report, of_zeros = search.run(begin), search.of_zeros
    limited = bool(search.options.max_eval or search.options.max_time)  # the user's
    splits = search.splits(report)
    if report.converged and not splits:
        return report
    if not splits and (limited or not of_zeros.any() or report.gradient_norm < _STEEP):
        return report
    for share in _NEARER if of_zeros.any() and not limited else ():
        nearer = begin.copy()
        nearer[: len(of_zeros)] *= np.where(of_zeros, share, 1.0)
        again = search.run(nearer)
        if again.converged and not search.splits(again):
            advice = f" {_QUADRATURE}" if search.one_factor else ""
            return replace(again, message=f"{NEAR_NONE}{advice}")
    if search.quadrature:
        return replace(report, message=f"{report.message} {_MORE_POINTS}")
    advice = _QUADRATURE if search.one_factor else _SIMPLER
    return replace(report, converged=False, message=_SPLIT + advice)


def is_jump(report: FitReport) -> bool:
    """Return whether a search ended beside a jump of the objective.

    Parameters
    ----------
    report : FitReport
    """
    return report.message.startswith(_JUMP)


def _unfinished(report: FitReport) -> bool:
    return report.status == "MAXEVAL_REACHED" and not report.converged


def _is_beside_jump(report: FitReport) -> bool:
    """Return whether an unfinished search hardly moves because what is beside it is higher."""
    if not _unfinished(report):
        return False
    last = report.fitlog_objective[-_LAST:]
    here = last[last < report.objective + _JUMPS_BY]
    return len(here) <= len(last) / 2 and bool(
        here.max(initial=report.objective) < report.objective + _CREEP
    )


def _at_boundary(report: FitReport) -> FitReport:
    level = settled(report.objective, report.gradient_norm, report.hessian_min_eigenvalue)
    if report.converged or not (level and report.gradient_norm < _NOTHING):
        # These fits take no start=.
        return replace(report, message=report.message.replace(OTHER_START, NO_START))
    message = (
        "A parameter tends to its boundary, where the likelihood is flat; it stopped changing."
    )
    return replace(report, converged=True, message=message)
