"""Each family with each link and formulas for all of its parts: objectives and their gradients.

Objectives of Laplace's approximation and of quadrature are compared with dense matrices and with
sums over a grid, gradients with differences. What models without other formulas of the families of
statsmodels do with either information is in `tests/properties/test_generalized_oracle.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from family_cases import Case, pairs, spec_of, table
from numpy.testing import assert_allclose
from scipy.special import logsumexp

import statsmodels_mixed as smm
from statsmodels_mixed._core import CoreGeneralized, row_derivatives
from statsmodels_mixed.fitting.distributional.likelihood import model_of_rows
from statsmodels_mixed.fitting.distributional.row_parameters import RowParameters
from statsmodels_mixed.fitting.families.spec import family_object
from statsmodels_mixed.fitting.generalized.approximation import (
    generalized_structure,
    prepare_approximation,
)

GROUPS = 3
DATA = table(6 * GROUPS, GROUPS, 4)
REFS = DATA["g"].to_numpy()
PLAIN = [pair for pair in pairs() if pair[0] != "ordered"]
ORDERED = [link for family, link in pairs() if family == "ordered"]
# Of what there is a part of zeros, by the responses that a family is for.
ZEROS = {
    "counts": ("zero_inflation", "hurdle"),
    "trials": ("zero_inflation",),
    "not negative": ("zero_inflation",),
    "positive": ("hurdle",),
    "shares": ("hurdle",),
    "positive counts": ("hurdle",),
}
LOG_PHI = 0.4


class Problem(NamedTuple):
    """A likelihood at some parameters, in the core and by rows."""

    spec: Any
    design: Any
    rows: RowParameters | None
    at: np.ndarray
    eta: np.ndarray
    sd: np.ndarray
    core: Any

    def by_rows(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log-likelihoods (n, k) and slopes in u (n, k, d), for u of shape (n, k, d)."""
        n, k, d = u.shape
        outer = np.zeros((n, 4))
        outer[:, 0] = LOG_PHI
        if self.rows is not None:
            outer = self.rows.values(self.at[-len(self.rows.start) :])
        outer = np.repeat(outer[:, None], k, axis=1)
        if d == 2:
            outer[..., 3] += self.sd[1] * u[..., 1]
        eta = self.eta[:, None] + self.sd[0] * u[..., 0]
        weights = self.design.weights
        found, others = row_derivatives(
            self.spec.family, self.spec.link, np.repeat(self.design.y, k), eta.ravel(),
            outer.reshape(-1, 4), weights=None if weights is None else np.repeat(weights, k),
            power=self.spec.power, zeros=self.spec.zeros,
        )  # fmt: skip
        slopes = [self.sd[0] * found[:, 1], *(s * others[:, 0, 3] for s in self.sd[1:])]
        return found[:, 0].reshape(n, k), np.stack(slopes, axis=-1).reshape(n, k, d)

    def exact_and_laplace(self) -> tuple[float, float]:
        """Return -2 log-likelihoods: sums over a grid, and by dense matrices at the modes."""
        d = len(self.sd)
        side = np.linspace(-8.0, 8.0, 129 if d == 1 else 41)
        nodes = np.stack(np.meshgrid(*[side] * d, indexing="ij"), axis=-1).reshape(-1, d)
        with np.errstate(all="ignore"):
            values, _ = self.by_rows(np.broadcast_to(nodes, (len(REFS), *nodes.shape)))
        heights = np.array([values[g == REFS].sum(axis=0) for g in range(GROUPS)])
        heights = np.where(np.isnan(heights), -np.inf, heights) - 0.5 * (nodes**2).sum(axis=1)
        step = d * np.log(side[1] - side[0]) - 0.5 * d * np.log(2 * np.pi)
        exact = -2 * (logsumexp(heights, axis=1) + step).sum()

        def slope(u):
            slopes = self.by_rows(u[REFS][:, None])[1][:, 0]
            return np.array([slopes[g == REFS].sum(axis=0) for g in range(GROUPS)]) - u

        u, H = nodes[heights.argmax(axis=1)], np.empty((GROUPS, d, d))
        for _ in range(8):  # Newton steps from the highest node
            for j, h in enumerate(1e-4 * np.eye(d)):
                H[:, :, j] = (
                    8 * (slope(u - h) - slope(u + h)) - slope(u - 2 * h) + slope(u + 2 * h)
                ) / 12e-4
            u = u + np.linalg.solve(H, slope(u)[..., None])[..., 0]
        top = self.by_rows(u[REFS][:, None])[0].sum() - 0.5 * (u**2).sum()
        return exact, -2 * top + np.linalg.slogdet(H)[1].sum()


def prepared(model: Any) -> Problem:
    """Set up a model at parameters that suit its link."""
    design, spec = model.kept_design(), model.spec
    structure = generalized_structure(design)
    level = 0.0
    if spec.family != "ordered":
        level = float(family_object(spec).link(np.mean(design.y[design.y != 0])))
    # Predictors stay in the range of links that have one, also far from the modes.
    positive = spec.link == "identity" and spec.support != "real"
    bounded = positive or spec.link == "power" or (spec.link == "log" and spec.support == "trials")
    wanted = level + (0.1 * abs(level) if bounded else 0.3) * DATA["x"].to_numpy()
    gamma = np.linalg.lstsq(structure.basis.Q, wanted, rcond=None)[0]
    eta = structure.basis.Q @ gamma
    room = min(np.abs(eta).min(), np.abs(1.0 - eta).min() if spec.support == "trials" else np.inf)
    sd = np.array([min(0.4, room / 12) if bounded else 0.4])
    if any(block.part for block in design.blocks):
        sd = np.append(sd, 0.7)
    if not (spec.parted or getattr(model, "formulas", {})):
        tail = [LOG_PHI] if spec.has_dispersion else []

        def plain(n_agq: int) -> CoreGeneralized:
            return prepare_approximation(
                design, spec, n_agq=n_agq, fast=False, hessian="observed"
            ).core

        return Problem(spec, design, None, np.r_[sd, gamma, tail], eta, sd, plain)
    rows = model._rows(design)

    def core(n_agq: int) -> CoreGeneralized:
        return model_of_rows(structure.core, design, spec, rows, n_agq)

    return Problem(spec, design, rows, np.r_[sd, gamma, rows.start + 0.1], eta, sd, core)


def compare(problem: Problem, what: Any) -> None:
    exact, laplace = problem.exact_and_laplace()
    at, d = problem.at, len(problem.sd)
    assert problem.core(1).value_and_gradient(at)[0] == pytest.approx(laplace, abs=1e-6), what
    fine = problem.core(25 if d == 1 else 15).value_and_gradient(at)[0]
    assert fine == pytest.approx(exact, abs=1e-6 if d == 1 else 1e-4), what
    for n_agq in (1, 4):
        core = problem.core(n_agq)
        gradient = core.value_and_gradient(at)[1]
        steps = 1e-4 * np.eye(len(at))
        values = [[core.value_and_gradient(at + k * s)[0] for k in (-2, -1, 1, 2)] for s in steps]
        wanted = np.array(values) @ [1, -8, 8, -1] / 12e-4
        assert_allclose(gradient, wanted, rtol=1e-6, atol=2e-6, err_msg=f"{what} {n_agq}")


def formulas(spec: Any) -> Iterator[dict[str, str]]:
    """Yield formulas of a family for each part, two of them together, and with random effects."""
    dispersions = ({}, {"dispersion": "~ x"}) if spec.has_dispersion else ({},)
    zeros = [{}, *({part: "~ x"} for part in ZEROS.get(spec.support, ()))]
    for one, other in product(dispersions, zeros):
        yield {**one, **other}
    for part in ZEROS.get(spec.support, ()):
        yield {part: "~ 1 + (1 | g)"}


@pytest.mark.parametrize(("family", "link"), PLAIN, ids=str)
def test_each_part_of_a_family_with_each_link(family: str, link: str) -> None:
    spec = spec_of(family, link)
    for parts in formulas(spec):
        case = Case(family, spec.support, parts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # links that need care
            model = case.model(case.rows(DATA), link=link)
        compare(prepared(model), parts)


@pytest.mark.parametrize("link", ORDERED)
def test_thresholds_of_each_kind_with_each_link(link: str) -> None:
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(DATA))
    for threshold in ("flexible", "symmetric", "equidistant"):
        for given in (None, weights):
            model = smm.mixedordinal2(
                "categories ~ x + (1 | g)", DATA, link, threshold, weights=given
            )
            compare(prepared(model), threshold)
    nominal = smm.mixedordinal2("categories ~ 1 + (1 | g)", DATA, link, nominal="~ x")
    compare(prepared(nominal), "nominal")
