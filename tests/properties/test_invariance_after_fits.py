"""Every function after a fit says the same of equivalent data, to 1e-6 of what it tells apart.

The response is shifted by 1e9 or multiplied by 1e150 or 1e-150, a covariate with correlated random
slopes shifted by 1e7 standard deviations. Numbers are on a grid that the shifts leave exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import inference, mixedlm2

Array = np.ndarray
SHIFT_Y, SHIFT_X = 2.0**30, 2.0**23
ROWS = np.arange(0, 120, 17)


def _grid(values: Array) -> Array:
    return np.round(values * 2.0**20) / 2.0**20


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g, h = np.repeat(np.arange(12), 10), rng.integers(0, 6, 120)
    x = _grid(rng.normal(size=120) + 0.3 * rng.normal(size=12)[g])
    f = np.array(list("abc"))[rng.integers(0, 3, 120)]
    y = 1 + 0.5 * x + rng.normal(size=12)[g] + 0.7 * rng.normal(size=12)[g] * x
    y = y + 0.8 * rng.normal(size=6)[h] + 0.4 * (f == "b") + rng.normal(size=120)
    return pd.DataFrame(
        {
            "y": _grid(y), "x": x, "f": f, "t": np.tile(np.arange(10), 12),
            "g": np.char.add("g", g.astype(str)), "h": np.char.add("h", h.astype(str)),
            "h2": np.char.add("h", rng.integers(0, 6, 120).astype(str)), "u": 0.5,
            "w": 10.0 ** rng.uniform(-6, 6, 120),
        }
    )  # fmt: skip


DATA = _data()
LEVELS = [f"g{i}" for i in range(12)]
KIN = pd.DataFrame(0.2 + 0.8 * np.eye(12), LEVELS, LEVELS)


@dataclass
class Said:
    """What was said: of no unit, in that of the response, squared, and about its origin."""

    same: dict[str, Array] = field(default_factory=dict)
    unit: dict[str, Array] = field(default_factory=dict)
    square: dict[str, Array] = field(default_factory=dict)
    place: dict[str, Array] = field(default_factory=dict)


def _rest(table: Any) -> Array:
    """The numbers of a table without rows or columns of the intercept."""
    frame = pd.DataFrame(table)
    frame = frame[["Intercept" not in str(each) for each in frame.index]]
    kept = [c for c in frame.columns if "Intercept" not in str(c)]
    return frame[kept].select_dtypes("number").to_numpy(float)


def coefficients(said: Said, fit: Any, data: pd.DataFrame, name: str = "") -> None:
    table = fit.coeftable()
    said.same[f"{name} coeftable"] = _rest(table.iloc[:, 2:])
    said.unit[f"{name} coeftable"] = _rest(table.iloc[:, :2])
    said.square[f"{name} cov_params"] = _rest(fit.cov_params())
    said.same[f"{name} wald"] = np.array([fit.wald_test(np.eye(4)[1:]).statistic])
    for typ in (1, 2, 3):
        said.same[f"{name} anova {typ}"] = _rest(fit.anova(typ=typ).filter(regex="F|df|stat|chi"))


def means(said: Said, fit: Any, data: pd.DataFrame, name: str = "") -> None:
    found = fit.emmeans("f")
    frame = found.to_frame()
    said.place[f"{name} emmeans"] = frame[["estimate", "lower", "upper"]].to_numpy()
    said.unit[f"{name} emmeans"] = frame["std_error"].to_numpy()
    said.same[f"{name} emmeans"] = frame["df"].to_numpy()
    contrasts = found.contrasts().to_frame()
    said.unit[f"{name} contrasts"] = contrasts[["estimate", "std_error", "lower"]].to_numpy()
    said.same[f"{name} contrasts"] = contrasts[["df", "statistic", "pvalue"]].to_numpy()
    said.unit[f"{name} emtrends"] = _rest(fit.emtrends("f", "x").to_frame()[["estimate", "upper"]])


def small_samples(said: Said, fit: Any, data: pd.DataFrame) -> None:
    for dof in ("satterthwaite", "kenward-roger"):
        other = fit.with_inference(dof=dof)
        coefficients(said, other, data, dof)
        means(said, other, data, dof)


def clusters(said: Said, fit: Any, data: pd.DataFrame) -> None:
    for kind, dof in (("CR1", None), ("CR2", "satterthwaite")):
        kwds = {"groups": "g", "kind": kind}
        other = fit.with_inference(cov_type="cluster", cov_kwds=kwds, dof=dof)
        table = other.coeftable()
        said.same[kind], said.unit[kind] = _rest(table.iloc[:, 2:]), _rest(table.iloc[:, :2])


def predictions(said: Said, fit: Any, data: pd.DataFrame) -> None:
    new = data.iloc[ROWS]
    unseen = new.assign(g="unseen")
    for name, rows, how in (
        ("own", None, {}),
        ("fixed", new, {"re": False}),
        ("levels", new, {"re": True}),
        ("unseen", unseen, {"re": True, "new_levels": "population"}),
    ):
        if fit.takes_correlated and how.get("re"):
            continue
        frame = fit.get_prediction(rows, **how).summary_frame()
        said.place[f"prediction {name}"] = frame.drop(columns="mean_se").to_numpy()
        said.unit[f"prediction {name}"] = frame["mean_se"].to_numpy()
    said.place["predict"] = fit.predict(new, re=True).to_numpy()
    said.unit["residuals"] = fit.residuals().to_numpy()


def diagnostics(said: Said, fit: Any, data: pd.DataFrame) -> None:
    said.same["leverage"] = np.asarray(fit.leverage())
    said.same["cooks_distance"] = np.asarray(fit.cooks_distance())
    said.same["standardized"] = np.asarray(fit.residuals("pearson", standardized=True))


def explained(said: Said, fit: Any, data: pd.DataFrame) -> None:
    r2, icc = fit.r2(), fit.icc()
    said.same["shares"] = np.array([r2.marginal, r2.conditional, icc.adjusted, icc.unadjusted])
    said.same["vif"] = _rest(fit.vif())


def deletions(said: Said, fit: Any, data: pd.DataFrame) -> None:
    said.same["influence"] = _rest(fit.influence("g").summary_frame())


def comparisons(said: Said, fit: Any, data: pd.DataFrame) -> None:
    said.same["ranova"] = fit.ranova().iloc[1:][["statistic", "pvalue_boundary"]].to_numpy(float)
    likelihood = fit.update(". ~ .").fit(reml=False)
    said.same["drop1"] = likelihood.drop1().iloc[1:][["statistic", "pvalue"]].to_numpy(float)


def panel(said: Said, fit: Any, data: pd.DataFrame) -> None:
    for test in (fit.hausman_test(), fit.mundlak_test()):
        said.same[type(test).__name__ + str(test.pvalue)[:3]] = np.array([test.statistic])


def profiles(said: Said, fit: Any, data: pd.DataFrame) -> None:
    kinds = ["beta"] if fit.takes_correlated else ["beta", "sd"]
    table = fit.profile(kinds).conf_int()
    said.unit["profile"] = table[["g.Intercept" not in str(i) for i in table.index]].iloc[1:, 1:]


def draws(said: Said, fit: Any, data: pd.DataFrame) -> None:
    said.place["simulate"] = np.asarray(fit.simulate(2, seed=3))
    said.unit["bootstrap"] = _rest(fit.bootstrap(5, seed=1).frame["beta"].iloc[:, 1:])


Part = Callable[..., None]
EVERY: tuple[Part, ...] = (
    coefficients, means, small_samples, clusters, predictions, diagnostics, explained, deletions,
    comparisons, profiles, draws,
)  # fmt: skip


def _without(*parts: Part) -> tuple[Part, ...]:
    return tuple(part for part in EVERY if part not in parts)


MODELS: dict[str, tuple[str, dict[str, Any], tuple[Part, ...]]] = {
    "slopes": ("y ~ x + f + (x | g)", {}, EVERY),
    "weights": ("y ~ x + f + (1 | g)", {"weights": "w"}, (*_without(deletions), panel)),
    "structure": ("y ~ x + f + cs(0 + f | g)", {}, _without(deletions, draws, profiles)),
    "residual": (
        "y ~ x + f + (1 | g)",
        {"residual": "ar1(t | g)"},
        (
            coefficients,
            means,
            small_samples,
            clusters,
            predictions,
            deletions,
            profiles,
        ),
    ),
    "members": ("y ~ x + f + (1 | mm(h, h2))", {}, (coefficients, predictions, diagnostics)),
    "kin": ("y ~ x + f + (1 | g)", {"relationship": {"g": KIN}}, (coefficients, predictions)),
}


@pytest.mark.parametrize("unit", [1e-150, 1e6])
def test_kenward_and_roger_with_second_derivatives(unit: float) -> None:
    """Of a structure that is not linear in its parameters."""
    formula, how = "y ~ x + f + ar1(0 + t | g)", {"reml": True, "dof": "kenward-roger"}
    level = np.random.default_rng(3).normal(size=12)[np.repeat(np.arange(12), 10)]
    data = DATA.assign(y=DATA["y"] + level * (1 + np.cos(DATA["t"] / 3)))
    usual = mixedlm2(formula, data).fit(**how)
    other = mixedlm2(formula, data.assign(y=data["y"] * unit)).fit(**how)
    np.testing.assert_allclose(other.df_coef, usual.df_coef, rtol=1e-5)
    np.testing.assert_allclose(other.bse / unit, usual.bse, rtol=1e-6)


def said_of(name: str, data: pd.DataFrame, skipped: tuple[Part, ...] = ()) -> Said:
    formula, options, parts = MODELS[name]
    fit = mixedlm2(formula, data, **options).fit(reml=True)
    assert fit.converged
    said = Said()
    for part in parts:
        if part not in skipped:
            part(said, fit, data)
    return said


@pytest.fixture(scope="module")
def usual() -> dict[str, Said]:
    return {name: said_of(name, DATA) for name in MODELS}


def assert_same(one: Said, other: Said, unit: float = 1.0, shift: float = 0.0) -> None:
    for kind, factor in (("same", 1.0), ("unit", unit), ("square", unit**2), ("place", unit)):
        for name, there in getattr(other, kind).items():
            wanted = np.asarray(getattr(one, kind)[name], float)
            got = (np.asarray(there, float) - (shift if kind == "place" else 0.0)) / factor
            size = np.nanmax(np.abs(np.where(np.isfinite(wanted), wanted, 0.0)), initial=1e-300)
            np.testing.assert_allclose(
                got, wanted, rtol=1e-6, atol=1e-6 * size, err_msg=f"{kind} {name}"
            )


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("change", ["shift", "1e150", "1e-150"])
def test_units_of_the_response(usual: dict[str, Said], name: str, change: str) -> None:
    if change == "shift":
        other = said_of(name, DATA.assign(y=DATA["y"] + SHIFT_Y))
        assert_same(usual[name], other, shift=SHIFT_Y)
    else:
        # Residual variances of rows are sigma^2 over weights that may be 1e-6.
        unit = float(change) ** (0.9 if name == "weights" else 1.0)
        assert_same(usual[name], said_of(name, DATA.assign(y=DATA["y"] * unit)), unit)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.parametrize("name", MODELS)
def test_origin_of_a_covariate(usual: dict[str, Said], name: str) -> None:
    """Draws of random effects begin at x = 0, so that a seed gives others."""
    other = said_of(name, DATA.assign(x=DATA["x"] + SHIFT_X), skipped=(draws,))
    assert_same(usual[name], other)


def test_covariances_of_combinations_keep_their_digits() -> None:
    rows = np.array([[1.0, 0.0, 0.0, 0.5], [1.0, 1.0, 0.0, -0.5]])
    formula = "y ~ x + f + (x | g)"
    usual = mixedlm2(formula, DATA).fit()
    there = mixedlm2(formula, DATA.assign(x=DATA["x"] + SHIFT_X)).fit()
    moved = rows + np.outer(rows[:, 0], [0.0, 0.0, 0.0, SHIFT_X])
    np.testing.assert_allclose(there.cov_params(moved), usual.cov_params(rows), rtol=1e-6)
    one, other = (inference.denominators(fit) for fit in (usual, there))
    np.testing.assert_allclose(other.errors(moved), one.errors(rows), rtol=1e-6)
