"""What a fit says of rows and means does not depend on where zero is for a covariate.

x is a multiple of 2^-10 and x + 2^23 is a double, so that both models are of the same data. A
covariance of coefficients of x + 2^23 has numbers of 2^46 times those of predictions: in doubles
three or four digits are left of the differences, and the errors of all that is asked here were off
by 1e-4 to 1e-2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

SHIFT = 2.0**23
CLUSTERS = {"cov_type": "cluster", "cov_kwds": {"groups": "g"}}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n, g = 240, np.repeat(np.arange(24), 10)
    x = np.round(rng.normal(size=n) * 2**10) / 2**10
    f = np.resize(list("abc"), n)
    eta = 0.5 + 0.4 * x + (0.8 + 0.4 * x) * rng.normal(size=24)[g] + 0.3 * (f == "b")
    y = rng.negative_binomial(2, 1 / (1 + np.exp(eta))) * (rng.random(n) > 0.2)
    o = np.clip(np.floor(eta + rng.logistic(size=n) + 1), 0, 3).astype(int)
    return pd.DataFrame({"x": x, "f": f, "g": g, "y": y, "o": pd.Categorical(o, ordered=True)})


def counts(family: str, random: str = "(1 | g)", **parts: str) -> Callable[..., Any]:
    return lambda frame, **options: smf.mixedglm2(
        f"y ~ x + f + {random}", frame, family, **parts
    ).fit(**options)


def of_hessian(family: str, random: str) -> Callable[..., Any]:
    return lambda frame: counts(family, random)(frame, cov_type="hessian")


FITS: dict[str, Callable[..., Any]] = {
    "zero inflation": counts("poisson", zero_inflation="~ x"),
    "hurdle with effects": counts("poisson", hurdle="~ x + (1 | g)"),
    "dispersion": counts("negative_binomial", dispersion="~ x + f"),
    "dispersion, clusters": lambda frame: counts("negative_binomial", dispersion="~ x")(
        frame, **CLUSTERS
    ),
    "shape": counts("generalized_poisson"),
    "hessian": of_hessian("negative_binomial", "(1 | g)"),
    "hessian, slopes": of_hessian("poisson", "(x | g)"),
    "hessian, structure": of_hessian("poisson", "cs(0 + f | g)"),
    "clusters": lambda frame: counts("negative_binomial")(frame, **CLUSTERS),
}


@pytest.fixture(scope="module", params=FITS)
def pair(request: Any, data: pd.DataFrame) -> tuple[Any, Any, pd.DataFrame]:
    fit = FITS[request.param]
    usual, other = fit(data), fit(data.assign(x=data["x"] + SHIFT))
    assert usual.converged
    assert other.converged
    return usual, other, data.head(9)


def same(
    pair: tuple[Any, Any, pd.DataFrame],
    ask: Callable[[Any, pd.DataFrame, float], Any],
    atol: float = 0.0,
) -> None:
    usual, other, rows = pair
    wanted = ask(usual, rows, 0.0)
    assert np.isfinite(np.asarray(wanted, dtype=float)).all()
    found = ask(other, rows.assign(x=rows["x"] + SHIFT), SHIFT)
    assert_allclose(found, wanted, rtol=3e-7, atol=atol)


@pytest.mark.parametrize("re", [False, True])
@pytest.mark.parametrize("which", ["mean", "linear"])
def test_predictions(pair, which, re):
    def predicted(fit, rows):
        return fit.get_prediction(rows, which=which, re=re)

    same(pair, lambda fit, rows, zero: predicted(fit, rows).se_mean)
    # Limits may be next to zero.
    same(pair, lambda fit, rows, zero: predicted(fit, rows).conf_int(), atol=3e-7)


# What formulas of other parts have predictions and means of.
PARTS = {
    "zero_inflation": ("inflation", "zi"),
    "hurdle": ("zero_probability", "zi"),
    "dispersion": ("dispersion", "disp"),
}


def test_other_parts(pair):
    for option in getattr(pair[0].model, "formulas", ()):
        which, component = PARTS[option]
        same(
            pair, lambda fit, rows, zero, which=which: fit.get_prediction(rows, which=which).se_mean
        )
        for each in (component, "response"):
            same(pair, partial(errors_of_means, component=each))


def errors_of_means(fit: Any, rows: pd.DataFrame, zero: float, **options: Any) -> Any:
    """Return those of means over f, of their contrasts and of means at two values of x."""
    specs = "f" if options.get("component", "response") == "response" else "1"
    means = fit.emmeans(specs, at={"x": [zero + 0.5]}, **options)
    lines = fit.emmeans("x", at={"x": [zero - 1.0, zero + 2.0]}, **options)
    both = [means, lines, lines.contrasts()] + ([means.contrasts()] if specs == "f" else [])
    return np.concatenate([each.to_frame()["std_error"] for each in both])


def test_marginal_means(pair):
    same(pair, errors_of_means)


def test_means_over_the_population(pair):
    same(
        pair,
        lambda fit, rows, zero: fit.emmeans("f", at={"x": [zero + 0.5]}, population=True).std_error,
    )


def test_hypotheses(pair):
    def ask(fit, rows, zero):
        names = list(fit.params.index)
        L = np.zeros((3, len(names)))
        L[:, names.index("Intercept")], L[:, names.index("x")] = 1.0, zero + np.array([-1, 0.25, 2])
        wald = fit.wald_test(L[:2], use_f=False).statistic
        covariance = np.asarray(fit.cov_params(r_matrix=L))
        return np.concatenate([fit.t_test(L).sd, [wald], np.sqrt(covariance.diagonal())])

    same(pair, ask)


@pytest.mark.parametrize("formula, nominal", [("x + f", None), ("f", "~ x")])
def test_ordered_categories(data, formula, nominal):
    def fit(frame):
        model = smf.mixedordinal2(f"o ~ {formula} + (1 | g)", frame, nominal=nominal)
        return model.fit()

    pair = fit(data), fit(data.assign(x=data["x"] + SHIFT)), data.head(9)
    for re in (False, True):
        same(pair, lambda fit, rows, zero, re=re: fit.get_prediction(rows, re=re).se_mean)
    for mode in ("latent", "prob", "mean.class", "exc.prob"):

        def ask(fit, rows, zero, mode=mode):
            return fit.emmeans("f", at={"x": [zero + 0.5]}, mode=mode).to_frame()["std_error"]

        same(pair, ask)
