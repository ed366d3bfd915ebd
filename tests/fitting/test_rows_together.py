"""Rows that are alike are fitted as one: what is estimated is that of all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from glmm_oracle import Model
from numpy.testing import assert_allclose, assert_array_equal
from oracle import Term

from statsmodels_mixed import datasets, mixedglm2
from statsmodels_mixed._core.alike import alike_rows
from statsmodels_mixed.fitting.generalized.rows_together import rows_together


def trials(family, n=1200):
    """Outcomes of four conditions for 12 subjects and 5 items, rows in random order."""
    rng = np.random.default_rng(8)
    g, h = rng.integers(0, 12, n), rng.integers(0, 5, n)
    x, o = rng.integers(0, 2, n) * 0.7, rng.integers(0, 2, n) * 0.3
    slope = 0.4 + 1.5 * rng.normal(size=12)[g]
    eta = slope * x + o + 0.7 * rng.normal(size=12)[g] + np.linspace(-1, 1, 5)[h]
    y = rng.random(n) < 1 / (1 + np.exp(-eta))
    if family == "poisson":
        y = rng.poisson(np.exp(0.5 * eta - 1))
    return pd.DataFrame({"y": y.astype(float), "x": x, "o": o, "g": g, "h": h})


def term(codes, z):
    return Term(
        int(codes.max()) + 1,
        codes.to_numpy(),
        z,
        np.tril(np.ones((z.shape[1],) * 2, dtype=bool)),
    )


@pytest.mark.parametrize(
    ("family", "link", "n_agq", "fast", "weights"),
    [
        ("binomial", None, 1, False, False),
        ("binomial", None, 1, True, False),
        ("binomial", None, 5, False, False),
        ("binomial", "probit", 1, False, False),
        ("poisson", None, 1, False, False),
        ("poisson", None, 5, False, True),
    ],
)
def test_the_fit_is_that_of_all_rows(family, link, n_agq, fast, weights):
    data = trials(family)
    data["w"] = np.where(data["g"] % 2, 1.0, 2.0)  # as many rows
    formula = "y ~ x + (1 | g)" if n_agq > 1 else "y ~ x + (x | g) + (1 | h)"
    model = mixedglm2(
        formula, data, family, link=link, offset="o", weights="w" if weights else None
    )
    fit = model.fit(n_agq=n_agq, fast=fast)
    together = rows_together(model.design, model.spec)
    assert together is not None
    assert len(together.design.y) <= len(data) / 2
    X = np.column_stack([np.ones(len(data)), data["x"]])
    ones = X[:, :1]
    several = (term(data["g"], X), term(data["h"], ones))
    terms = (term(data["g"], ones),) if n_agq > 1 else several
    dense = Model(
        terms,
        X,
        data["y"].to_numpy(),
        model.family,
        weights=data["w"].to_numpy() if weights else None,
        offset=data["o"].to_numpy(),
    )
    theta, beta = fit.estimates.theta, fit.estimates.beta
    assert_allclose(
        fit.objective, dense.objective(theta, beta, fast=fast, points=n_agq), rtol=1e-10
    )
    if not fast:  # all rows again, one by one
        assert_allclose(model.gradient(theta, beta, n_agq=n_agq), 0.0, atol=1e-3)
    own = zip(terms, fit.estimates.b, strict=True)
    eta = X @ beta + data["o"] + sum((t.z * b[t.refs]).sum(axis=1) for t, b in own)
    assert_allclose(fit.estimates.eta, eta, rtol=1e-10, atol=1e-12)
    assert_allclose(fit.fittedvalues, model.link.inverse(eta), rtol=1e-10)


def test_a_row_for_each_animal_of_cbpp():
    # Of glmm 0.6.2; glmmTMB 1.1.5 has the same to 1e-4.
    data = datasets.load("cbpp")
    size = data["hsz"].to_numpy()
    rows = data.loc[data.index.repeat(size)].reset_index(drop=True)
    rows["ill"] = (np.concatenate([np.arange(n) for n in size]) < rows["incid"]).astype(float)
    fit = mixedglm2("ill ~ period + (1 | herd)", rows, "binomial").fit()
    assert_allclose(fit.objective, 555.003883, atol=2e-6)
    assert fit.nobs == fit.fittedvalues.shape[0] == size.sum()
    assert fit.report.evaluations <= 8


def test_rows_that_are_nearly_alike_stay_apart():
    data = trials("binomial")
    model = mixedglm2("y ~ x + (1 | g)", data, "binomial")
    assert rows_together(model.design, model.spec) is not None
    data["x"] += 1e-12 * np.arange(len(data))
    model = mixedglm2("y ~ x + (1 | g)", data, "binomial")
    assert rows_together(model.design, model.spec) is None


@pytest.mark.parametrize("family", ["gamma", "negative_binomial"])
def test_families_with_a_dispersion_keep_their_rows(family):
    data = trials("poisson")
    data["y"] += 1
    model = mixedglm2("y ~ x + (1 | g)", data, family)
    assert rows_together(model.design, model.spec) is None


def test_alike_is_what_numpy_finds():
    rng = np.random.default_rng(3)
    x, g = rng.integers(0, 3, (2000, 2)).astype(float), rng.integers(0, 4, 2000).astype(np.int32)
    first, which = alike_rows([x], [g], 100)
    rows = np.column_stack([x, g])
    assert len(first) == len(np.unique(rows, axis=0)) == 36
    assert_array_equal(rows[first][which], rows)
    assert_array_equal(which[first], np.arange(36))
    assert alike_rows([x], [g], 36) is not None
    assert alike_rows([x], [g], 35) is None
