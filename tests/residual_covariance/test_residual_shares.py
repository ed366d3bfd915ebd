"""Leverages and shares of variance of models with correlated residuals, by dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import datasets, mixedlm2

MODELS = [
    {"residual": "ar1(age | subject)"},
    {"residual": "us(age | subject)"},
    {"residual": "ar1(age | subject)", "dispersion": "~ sex", "weights": "w"},
    {"dispersion": "~ sex", "terms": " + (1 | subject)"},
    {"residual": "ar1(age | subject)", "terms": " + (1 | site)", "weights": "w"},
]


def growth() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    table = datasets.load("orthodont").reset_index(drop=True)
    table["w"] = rng.uniform(0.5, 2.0, len(table))
    table["site"] = table["subject"].astype("category").cat.codes % 5
    table["distance"] += 1.5 * rng.normal(size=5)[table["site"]]
    return table[rng.uniform(size=len(table)) > 0.1].reset_index(drop=True)


def fitted(terms: str = "", **options: Any) -> Any:
    return mixedlm2(f"distance ~ age * sex{terms}", growth(), **options).fit(reml=True)


def random_part(fit: Any) -> np.ndarray:
    """The covariance that random effects give to the rows."""
    design = fit.kept_design()
    out = np.zeros((len(design.y),) * 2)
    for block, T in zip(design.blocks, fit.estimates.factors, strict=True):
        out += (block.refs[:, None] == block.refs) * (block.z @ T @ T.T @ block.z.T)
    return out


def residual_part(fit: Any) -> np.ndarray:
    """The covariance of the residuals, from what is reported of them."""
    table = growth()
    sds = np.sqrt(fit.estimates.residual_variances)
    if fit.estimates.cells.term is None:
        return np.diag(sds**2)
    C = fit.residual_correlation
    place = np.searchsorted(np.sort(table["age"].unique()), table["age"])
    subject = table["subject"].astype(str).to_numpy(dtype=object)
    same = subject[:, None] == subject
    return np.where(same, C.to_numpy()[np.ix_(place, place)], 0.0) * np.outer(sds, sds)


@pytest.mark.parametrize("options", MODELS)
def test_leverages_are_those_of_the_hat_matrix(options: dict[str, Any]) -> None:
    fit = fitted(**options)
    X = fit.kept_design().X
    C = random_part(fit)
    W = np.linalg.inv(C + residual_part(fit))
    beta = np.linalg.solve(X.T @ W @ X, X.T @ W)
    hat = X @ beta + C @ W @ (np.eye(len(X)) - X @ beta)
    assert hat @ fit.kept_design().y == pytest.approx(np.asarray(fit.fittedvalues), rel=1e-6)
    assert fit.leverage().to_numpy() == pytest.approx(np.diag(hat), rel=1e-6, abs=1e-8)
    if not fit.layout.blocks:
        assert fit.leverage().sum() == pytest.approx(X.shape[1], rel=1e-9)


@pytest.mark.parametrize("options", MODELS)
def test_shares_of_variance(options: dict[str, Any]) -> None:
    fit = fitted(**options)
    design = fit.kept_design()
    fixed = float(np.var(design.X @ fit.estimates.beta, ddof=1))
    random, rest = (float(np.mean(np.diag(V))) for V in (random_part(fit), residual_part(fit)))
    shares = fit.r2()
    total = fixed + random + rest
    assert list(shares) == pytest.approx([fixed / total, (fixed + random) / total], rel=1e-6)
    if fit.layout.blocks:
        assert fit.icc().adjusted == pytest.approx(random / (random + rest), rel=1e-6)


def test_a_random_intercept_and_compound_symmetry_explain_the_same() -> None:
    """Both have one marginal variance, of which the random intercept is a part."""
    nested = mixedlm2("distance ~ age + (1 | subject)", growth()).fit(reml=True).r2()
    marginal = mixedlm2("distance ~ age", growth(), residual="cs(age | subject)").fit(reml=True)
    assert marginal.r2().marginal == pytest.approx(nested.marginal, rel=1e-4)
    assert marginal.r2().conditional == pytest.approx(marginal.r2().marginal, rel=1e-12)
