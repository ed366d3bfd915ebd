"""Levels that meet all others ("unknown"): the factor stays sparse, the numbers are the same."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from statsmodels_mixed import LinearMixedModel, datasets
from statsmodels_mixed._core import CoreDesign, CoreWorkspace, TermArrays
from statsmodels_mixed.fitting.crossprod import linear_structure

Codes = NDArray[np.integer]


def term(codes: Codes) -> TermArrays:
    _, refs = np.unique(codes, return_inverse=True)
    ones = np.ones((len(codes), 1))
    return TermArrays(int(refs.max()) + 1, refs.astype(np.int32), ones, np.ones((1, 1), bool))


def analysed(*factors: Codes) -> CoreDesign:
    return CoreDesign([term(codes) for codes in factors], np.ones((len(factors[0]), 1)))


def chain(levels: int) -> tuple[Codes, Codes]:
    """Every level of the first factor meets two of the second."""
    rows = np.arange(2 * levels)
    return rows // 2, (rows + 1) // 2


def with_hub(of: int, levels: int, hubs: int = 1) -> list[Codes]:
    """A chain, and rows on which factor `of` is unknown in one of a few ways."""
    factors = list(chain(levels))
    other = np.unique(factors[1 - of])
    for hub in range(hubs):
        factors[of] = np.concatenate([factors[of], np.full(len(other), -1 - hub)])
        factors[1 - of] = np.concatenate([factors[1 - of], other])
    return factors


def both(levels: int) -> list[Codes]:
    first, second = with_hub(0, levels)
    known = np.unique(first[first >= 0])
    return [np.concatenate([first, known]), np.concatenate([second, np.full(len(known), -1)])]


def three(levels: int) -> list[Codes]:
    rows = np.arange(3 * levels)
    factors = [rows // 3, (rows + 1) // 3, (rows + 5) // 6]
    return [np.where(rows % 10 == at, -1, codes) for at, codes in enumerate(factors)]


def nested(levels: int) -> list[Codes]:
    rows = np.arange(2 * levels)
    child, parent = rows // 2, rows // 40
    unknown = np.arange(levels // 20)
    return [
        np.concatenate([child, np.full(len(unknown), -1)]),
        np.concatenate([parent, unknown]),
        np.concatenate([parent // 20, unknown // 20]),
    ]


DESIGNS = {
    "first": lambda levels: with_hub(0, levels),
    "second": lambda levels: with_hub(1, levels),
    "five": lambda levels: with_hub(0, levels, hubs=5),
    "both": both,
    "three factors": three,
    "nested": nested,
}


@pytest.mark.parametrize("kind", DESIGNS)
def test_the_tail_does_not_grow_with_what_a_hub_meets(kind):
    factors = DESIGNS[kind](3000)
    sizes = analysed(*factors).sizes
    assert sizes["tail_size"] <= 50
    assert sizes["head_values"] <= 6 * sizes["q"]


def evaluated(factors: Sequence[Codes], theta: Sequence[float]) -> tuple[float, NDArray]:
    n = len(factors[0])
    design = analysed(*factors)
    rows = np.arange(n)
    workspace = CoreWorkspace(design, np.sin(rows) + 0.1 * np.cos(7 * rows))
    workspace.set_criterion(True)
    value, gradient = workspace.value_and_gradient(np.array(theta))
    return value, gradient


@pytest.mark.parametrize("kind", DESIGNS)
def test_order_of_the_factors_does_not_matter(kind):
    factors = DESIGNS[kind](400)
    theta = [0.7, 1.3, 0.4][: len(factors)]
    value, gradient = evaluated(factors, theta)
    backward, reverse = evaluated(factors[::-1], theta[::-1])
    np.testing.assert_allclose(backward, value, rtol=1e-11)
    np.testing.assert_allclose(reverse[::-1], gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", DESIGNS)
def test_the_objective_is_that_of_the_dense_covariance(kind):
    factors = DESIGNS[kind](100)
    theta = [0.7, 1.3, 0.4][: len(factors)]
    n = len(factors[0])
    rows = np.arange(n)
    y = np.sin(rows) + 0.1 * np.cos(7 * rows)
    covariance = np.eye(n)
    for codes, ratio in zip(factors, theta, strict=True):
        covariance += ratio**2 * (codes[:, None] == codes)
    inverse = np.linalg.inv(covariance)
    precision = inverse.sum()
    resid = y - inverse.sum(0) @ y / precision
    squares, df = resid @ inverse @ resid, n - 1
    wanted = np.linalg.slogdet(covariance)[1] + np.log(precision)
    wanted += df * (1 + np.log(2 * np.pi * squares / df))
    np.testing.assert_allclose(evaluated(factors, theta)[0], wanted, rtol=1e-11)


@pytest.mark.parametrize("kind", DESIGNS)
def test_the_analysis_is_linear_in_the_number_of_levels(kind):
    # 0.04 s on the machine of the authors; two hubs took 12 s where lists were updated in all steps
    factors = DESIGNS[kind](100_000)
    terms = [term(codes) for codes in factors]
    X = np.ones((len(factors[0]), 1))
    start = time.process_time()
    design = CoreDesign(terms, X)
    assert time.process_time() - start < 1.5
    # parents of the nested design meet in the clique of their grandparents: sparse, but no chain
    assert design.sizes["tail_size"] <= 500


# Sizes of the dense tail without a search for hubs: nothing there is one.
REGULAR = {
    ("insteval", "y ~ service + (1 | s) + (1 | d) + (1 | dept)"): 871,
    ("insteval", "y ~ service + (1 | s) + (1 | d)"): 849,
    ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"): 6,
    ("pastes", "strength ~ 1 + (1 | batch / cask)"): 0,
}


@pytest.mark.parametrize(("dataset", "formula"), REGULAR)
def test_regular_designs_keep_their_structure(dataset, formula):
    model = LinearMixedModel.from_formula(formula, datasets.load(dataset))
    sizes = linear_structure(model.design).core.sizes
    assert sizes["tail_size"] == REGULAR[dataset, formula]
