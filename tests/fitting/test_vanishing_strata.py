"""Strata of dispersion= in which the dispersion tends to zero and the likelihood has no maximum."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import DataError

NO_MAXIMUM = "the dispersion there tends to zero and the likelihood has no maximum"
RESPONSES = {
    "constant": "does not vary in the 60 rows with arm[T.b] = 1",
    "line": "is reproduced by the fixed effects in the 60 rows with arm[T.b] = 1",
    "levels": "does not vary within the levels of 'g' in the 60 rows with arm[T.b] = 1",
}
both = pytest.mark.parametrize("reml", [False, True])


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "arm": np.resize(list("ab"), 120)})
    d["h"], d["x"] = np.resize(list("ppqq"), 120), rng.normal(size=120)
    d["y"] = 0.4 * rng.normal(size=12)[d["g"]] + rng.normal(size=120)
    there = d["arm"] == "b"
    d["constant"] = np.where(there, 2.5, d["y"])
    d["line"] = np.where(there, 2.5 + 0.5 * d["x"], d["y"])
    d["levels"] = np.where(there, rng.normal(size=12)[d["g"]], d["y"])
    return d


@both
@pytest.mark.parametrize("response", RESPONSES)
def test_linear_model(data, response, reml):
    model = smf.mixedlm2(f"{response} ~ x + (1 | g)", data, dispersion="~ arm")
    said = f"the response '{response}' {re.escape(RESPONSES[response])}: {NO_MAXIMUM}"
    with pytest.raises(DataError, match=said):
        model.fit(reml=reml)


@both
@pytest.mark.parametrize("response", RESPONSES)
def test_the_criterion_falls_without_bound(data, response, reml):
    # -2 log L, of dense matrices, with everything but the deviation s of one arm held.
    there = (data["arm"] == "b").to_numpy()
    X = np.column_stack([np.ones(120), data["x"]])
    Z = (data["g"].to_numpy()[:, None] == np.arange(12)).astype(float)
    y = data[response].to_numpy()

    def criterion(s):
        V = Z @ Z.T + np.diag(np.where(there, s**2, 1.0))
        W = np.linalg.inv(V)
        A = X.T @ W @ X
        r = y - X @ np.linalg.solve(A, X.T @ W @ y)
        return np.linalg.slogdet(V)[1] + r @ W @ r + reml * np.linalg.slogdet(A)[1]

    found = criterion(1e-3) - criterion(1e-4)
    rank = np.linalg.matrix_rank(np.hstack([X, Z])[there]) if reml else 12
    assert_allclose(found, (60 - rank) * np.log(100.0), rtol=1e-2)


@pytest.mark.parametrize("dispersion", ["~ arm", "~ 0 + arm", "~ arm + x", "~ arm * h"])
def test_formulas_that_let_one_arm_vary_alone(data, dispersion):
    model = smf.mixedlm2("constant ~ x + (1 | g)", data, dispersion=dispersion)
    with pytest.raises(DataError, match=f"'constant' does not vary.*arm.*{NO_MAXIMUM}"):
        model.fit()


MEANS = {
    "real": lambda y: y,
    "positive": lambda y: np.exp(y / 2),
    "shares": lambda y: 1.0 / (1.0 + np.exp(-y)),
}
FAMILIES = [("gaussian", "real"), ("student_t", "real"), ("gamma", "positive")]
FAMILIES += [("lognormal", "positive"), ("inverse_gaussian", "positive"), ("tweedie", "positive")]
FAMILIES += [("beta", "shares"), ("ordered_beta", "shares")]


@pytest.mark.parametrize("family, support", FAMILIES)
def test_families_with_a_density(data, family, support):
    frame = data.assign(v=MEANS[support](data["constant"]))
    model = smf.mixedglm2("v ~ x + (1 | g)", frame, family, dispersion="~ arm")
    said = re.escape("'v' does not vary in the 60 rows with arm[T.b] = 1")
    with pytest.raises(DataError, match=f"{said}: {NO_MAXIMUM}"):
        model.fit()


def test_zeros_beside_a_constant(data):
    # A part of zeros of its own takes them; with Tweedie's they bound the dispersion.
    frame = data.assign(v=np.exp(data["constant"] / 2))
    frame.loc[frame.index % 6 == 1, "v"] = 0.0
    model = smf.mixedglm2("v ~ arm + (1 | g)", frame, "gamma", hurdle="~ 1", dispersion="~ arm")
    with pytest.raises(DataError, match=f"does not vary in the 40 rows.*{NO_MAXIMUM}"):
        model.fit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.mixedglm2("v ~ arm + (1 | g)", frame, "tweedie", dispersion="~ arm").fit()
    assert fit.converged


@pytest.mark.parametrize("dispersion", ["~ h", "~ x", "power(x)"])
def test_dispersions_that_a_constant_arm_shares_with_others(data, dispersion):
    assert smf.mixedlm2("constant ~ arm + (1 | g)", data, dispersion=dispersion).fit().converged


@pytest.mark.parametrize(
    "reml, rows, refused", [(False, 1, True), (True, 2, False), (True, 3, True)]
)
def test_few_rows_of_a_stratum(data, reml, rows, refused):
    # The fixed effects, an intercept and a slope, reproduce any two rows. A random effect with no
    # variance is no help.
    frame = data.assign(y=data["y"] + 0.3 * data["x"], arm="a")
    frame.loc[: rows - 1, "arm"] = "b"
    frame.loc[: rows - 1, "y"] = 0.5 - frame["x"]
    model = smf.mixedlm2("y ~ x + (1 | g)", frame, dispersion="~ arm")
    if refused:
        said = f"by the fixed effects in the {rows} rows" if rows > 1 else "in the only row"
        with pytest.raises(DataError, match=f"{said}.*{NO_MAXIMUM}"):
            model.fit(reml=reml)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(model.fit(reml=reml).llf)


def test_one_row_of_a_stratum_in_each_level(data):
    # It says as much of the variance of effects as of its own.
    rng = np.random.default_rng(2)
    frame = data.assign(arm=np.where(data.index % 10 == 0, "b", "a"), y=data["y"])
    frame["y"] += 0.2 * rng.normal(size=120)
    assert smf.mixedlm2("y ~ 1 + (1 | g)", frame, dispersion="~ arm").fit().converged
