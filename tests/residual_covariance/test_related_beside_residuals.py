"""Related levels beside correlated residuals, against dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.fitting.problem import problem_of

Array = NDArray[np.float64]

# Fifteen animals, of which the last three have no records.
SIRES = [None] * 4 + ["a1", "a1", "a2", "a2", "a5", "a5", "a6", "a6", "a9", "a9", "a10"]
DAMS = [None] * 4 + ["a3", "a4", "a3", "a4", "a7", "a8", "a7", "a8", "a11", "a12", "a11"]
NAMES = [f"a{i + 1}" for i in range(15)]
PEDIGREE = pd.DataFrame({"animal": NAMES, "sire": SIRES, "dam": DAMS})


def kinship() -> Array:
    """Return the relationship matrix by its recursion (Henderson 1976)."""
    A = np.zeros((15, 15))
    for i, (sire, dam) in enumerate(zip(SIRES, DAMS, strict=True)):
        parents = [NAMES.index(parent) for parent in (sire, dam) if parent is not None]
        A[i, :i] = A[:i, i] = sum((A[p, :i] for p in parents), np.zeros(i)) / 2.0
        A[i, i] = 1.0 + (A[parents[0], parents[1]] / 2.0 if len(parents) == 2 else 0.0)
    return A


A = kinship()


def records() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"animal": np.repeat(NAMES[:12], 4), "t": np.tile(range(4), 12)})
    data["x"] = rng.normal(size=48)
    effects = dict(zip(NAMES, 3.0 * np.linalg.cholesky(A) @ rng.normal(size=15), strict=True))
    serial = np.linalg.cholesky(0.3 ** np.abs(np.subtract.outer(range(4), range(4))))
    data["y"] = 1.0 + 0.5 * data.x + data.animal.map(effects)
    data["y"] += np.concatenate([serial @ rng.normal(size=4) for _ in range(12)])
    return data.sample(frac=0.85, random_state=1).reset_index(drop=True)


DATA = records()
POSITION = np.array([NAMES.index(name) for name in DATA.animal])
X = np.column_stack([np.ones(len(DATA)), DATA.x])


def serial_correlation(rho: float) -> Array:
    lags = np.abs(np.subtract.outer(DATA.t.to_numpy(), DATA.t.to_numpy()))
    return np.where(POSITION[:, None] == POSITION, rho**lags, 0.0)


def dense(parameters: Array, *, reml: bool) -> tuple[float, Array, Array, Array]:
    """Return objective, V^-1, (X'V^-1 X)^-1 and y - X beta of sd, rho and sd of animals."""
    sd, rho, genetic = parameters
    V = genetic**2 * A[np.ix_(POSITION, POSITION)] + sd**2 * serial_correlation(rho)
    inverse = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ inverse @ X)
    r = DATA.y.to_numpy() - X @ (M @ (X.T @ (inverse @ DATA.y)))
    value = np.linalg.slogdet(V)[1] + r @ inverse @ r
    value += (len(X) - 2 * reml) * np.log(2 * np.pi) - reml * np.linalg.slogdet(M)[1]
    return float(value), inverse, M, r


@pytest.fixture(scope="module")
def fit() -> Any:
    model = mixedlm2("y ~ x + (1 | animal)", DATA, pedigree=PEDIGREE, residual="ar1(t | animal)")
    return model.fit(reml=True)


@pytest.mark.parametrize("reml", [False, True])
def test_maximum_is_that_of_dense_matrices(reml: bool) -> None:
    options = {"relationship": {"animal": pd.DataFrame(A, NAMES, NAMES)}}
    model = mixedlm2("y ~ x + (1 | animal)", DATA, residual="ar1(t | animal)", **options)
    fit = model.fit(reml=reml)
    objective = -2.0 * fit.llf
    assert objective == pytest.approx(dense(fit.theta, reml=reml)[0], abs=1e-9)

    def of_free(z: Array) -> float:
        return dense(np.array([np.exp(z[0]), np.tanh(z[1]), z[2]]), reml=reml)[0]

    starts = [np.array([0.0, 0.3, 2.0]), np.array([1.0, 1.5, 0.1])]
    assert objective <= min(minimize(of_free, start).fun for start in starts) + 1e-7


def test_effects_of_levels_with_and_without_records(fit: Any) -> None:
    _, inverse, _, r = dense(fit.theta, reml=True)
    C = fit.theta[2] ** 2 * A[:, POSITION]
    assert fit.ranef()["animal"].to_numpy()[:, 0] == pytest.approx(C @ inverse @ r, abs=1e-9)
    found = problem_of(fit.kept_design(), fit.estimates).conditional_variances()[0][:, 0, 0]
    expected = np.diag(fit.theta[2] ** 2 * A - C @ inverse @ C.T)
    assert found == pytest.approx(expected, rel=1e-9)


def test_predictions_given_relatives(fit: Any) -> None:
    _, inverse, M, r = dense(fit.theta, reml=True)
    sd, rho, genetic = fit.theta
    new = pd.DataFrame({"animal": ["a15", "a3", "a1"], "t": [2, 9, 1], "x": [0.0, 1.0, 2.0]})
    made = fit.get_prediction(new, conditional=True)
    interval = made.conf_int(obs=True)
    for j, (animal, t, x) in enumerate(new.itertuples(index=False)):
        k = NAMES.index(animal)
        c = genetic**2 * A[k, POSITION]
        c = c + sd**2 * np.where(k == POSITION, rho ** np.abs(DATA.t.to_numpy() - t), 0.0)
        mean = fit.params @ [1.0, x] + c @ inverse @ r
        d = np.array([1.0, x]) - X.T @ inverse @ c
        variance = genetic**2 * A[k, k] + sd**2 - c @ inverse @ c + d @ M @ d
        assert made.predicted_mean[j] == pytest.approx(mean, rel=1e-9)
        half = (interval[j, 1] - interval[j, 0]) / 2.0
        assert half == pytest.approx(1.959963984540054 * np.sqrt(variance), rel=1e-8)
    with pytest.raises(DataError, match="that pedigree= does not have"):
        fit.predict(new.assign(animal="b"), conditional=True)


def test_families_of_one_kind_share_a_pattern() -> None:
    rng = np.random.default_rng(5)
    related = np.array([[1.0, 0.5], [0.5, 1.0]])
    names = [f"p{i}" for i in range(80)]
    K = pd.DataFrame(np.kron(np.eye(40), related), names, names)
    data = pd.DataFrame({"p": np.repeat(names, 3), "t": np.tile(range(3), 80)})
    data["y"] = np.repeat(np.linalg.cholesky(K) @ rng.normal(size=80), 3) + rng.normal(size=240)
    fit = mixedlm2(
        "y ~ 1 + (1 | p)", data, relationship={"p": K}, residual="cs(t | p)", dispersion="exp(t)"
    )
    (batch,) = problem_of(fit.kept_design(), fit.fit().estimates).problem.batches
    assert batch.counts.tolist() == [40]


def test_what_follows(fit: Any) -> None:
    model = fit.model
    assert "15, by pedigree" in fit.summary().as_text()
    other = model.update("y ~ 1 + (1 | animal)")
    assert other.kept_design().blocks[0].related is not None
    assert len(fit.simulate(seed=1)) == len(DATA)
    with pytest.raises(OptionError, match="independent levels"):
        model.fit(cov_type="cluster")
