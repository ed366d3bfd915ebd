"""Inner products of the matrices of covariance elements, by matrices of all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.fitting.covariance import elements_of
from statsmodels_mixed.fitting.inner_products import (
    inner_products,
    projected_products,
    sparse_columns,
)


def design():
    rng = np.random.default_rng(4)
    n = 90
    data = {"y": rng.normal(size=n), "x": rng.normal(size=n), "z": rng.normal(size=n)}
    data |= {"g": rng.integers(0, 7, n), "h": rng.integers(0, 4, n)}
    return mixedlm2("y ~ x + (x + z | g) + (x || h)", pd.DataFrame(data)).design


def matrices(model):
    """G_e = Z E_e Z' of every element."""
    found = []
    for e in elements_of([block.pattern for block in model.blocks]):
        block = model.blocks[e.block]
        Z, E = sparse_columns(block).toarray(), np.zeros(block.pattern.shape)
        E[e.row, e.column] = E[e.column, e.row] = 1.0
        found.append(Z @ np.kron(np.eye(len(block.levels)), E) @ Z.T)
    return found


def test_they_are_traces_of_products():
    model = design()
    G = matrices(model)
    dense = [[np.trace(one @ other) for other in G] for one in G]
    assert_allclose(inner_products(model, model), dense, rtol=1e-12, atol=1e-10)


def test_projected_ones_are_traces_within_the_span():
    model = design()
    Q = np.linalg.qr(model.X)[0]
    ZQ = [
        (sparse_columns(block).T @ Q).reshape(len(block.levels), -1, Q.shape[1])
        for block in model.blocks
    ]
    G = matrices(model)
    whole, projected = projected_products(model, ZQ)
    assert_allclose(whole, inner_products(model, model), rtol=1e-12, atol=1e-10)
    dense = [[np.trace(Q.T @ one @ other @ Q) for other in G] for one in G]
    assert_allclose(projected, dense, rtol=1e-12, atol=1e-10)
