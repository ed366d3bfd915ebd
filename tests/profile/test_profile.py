"""Profile likelihood against lme4, against dense normal theory and against closed forms."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from reference import load
from reference.lme4_names import MODELS, column, group
from scipy.optimize import minimize
from scipy.stats import norm
from statsmodels.genmod.families import links

from statsmodels_mixed import IdentificationWarning, SingularFitWarning, datasets
from statsmodels_mixed.errors import DataError, MixedModelWarning, OptionError
from statsmodels_mixed.inference import Profile, profile

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"

# lme4 interpolates between points that are this far from exact, as a share of the width of
# the interval; what it does by default is a little less exact.
OF_WIDTH = 1e-3

# Between points zeta is interpolated: the error is near 1e-4 of the width of an interval.
ZETA = 5e-4


def fit(formula: str, data: pd.DataFrame, options: dict[str, Any] | None = None, **how: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        warnings.simplefilter("ignore", IdentificationWarning)
        return smf.mixedlm2(formula, data, **(options or {})).fit(**how)


@cache
def fitted(name: str) -> Any:
    model = MODELS[name]
    return fit(model.formula, model.data(), model.options)


@cache
def profiled(name: str) -> Profile:
    return profile(fitted(name))


def label(record: dict[str, Any], name: str) -> tuple[str, str]:
    """Kind and name of a parameter that lme4 calls `name`."""
    if name == "sigma":
        return "sigma", ""
    if "|" not in name:
        return "beta", column(name)
    kind, rest = name.split("_", 1)
    effects, factor = rest.split("|")
    parts = [group(record, factor), *(column(effect) for effect in effects.split("."))]
    return {"sd": "sd", "cor": "corr"}[kind], ".".join(parts)


@pytest.mark.parametrize("record", load("inference_profile"), ids=lambda r: r["id"])
def test_intervals_are_those_of_lme4(record):
    for one in record["levels"]:
        table = profiled(record["id"]).conf_int(1 - one["level"])
        for name, lower, upper in zip(record["names"], one["lower"], one["upper"], strict=True):
            ours = table.loc[label(record, name)]
            atol = OF_WIDTH * (upper - lower)
            assert_allclose([ours.lower, ours.upper], [lower, upper], rtol=0, atol=atol)


def test_the_sd_of_days_has_a_lower_limit():
    table = profiled("sleep_slope").conf_int()
    assert_allclose(table.loc[("sd", "subj.days"), ["lower", "upper"]], [3.80, 8.75], atol=0.005)


# What a point of a curve says, checked with n x n matrices.


def deviance(result: Any, sigma: float, beta: np.ndarray, theta: np.ndarray) -> float:
    """Return -2 log likelihood of a model at any of its parameters."""
    design = result.model.design
    n = len(design.y)
    weights = np.ones(n) if design.weights is None else design.weights
    V = np.diag(1 / weights)
    at = 0
    for block in design.blocks:
        columns, rows = np.nonzero(block.pattern.T)
        T = np.zeros(block.pattern.shape)
        T[rows, columns] = theta[at : at + len(rows)]
        at += len(rows)
        same = block.refs[:, None] == block.refs
        V = V + same * (block.z @ T @ T.T @ block.z.T)
    residual = design.y - design.X[:, result.estimates.columns] @ beta
    if design.offset is not None:
        residual = residual - design.offset
    r2 = residual @ np.linalg.solve(V, residual)
    return np.linalg.slogdet(V)[1] + n * math.log(2 * math.pi * sigma**2) + r2 / sigma**2


POINTWISE = (
    "dyestuff2",
    "sleep_slope",
    "sleep_zerocorr",
    "sleep_weighted",
    "sleep_offset",
    "penicillin",
    "pastes",
    "machines_slope",
    "orthodont",
)


@pytest.mark.parametrize("name", POINTWISE)
def test_zeta_is_the_root_of_the_rise_in_deviance(name):
    result, table = fitted(name), profiled(name).frame
    lowest = deviance(result, result.sigma, result.estimates.beta, result.theta)
    for (kind, held, _), row in table.iterrows():
        parameters = (row[("sigma", "")], row["beta"].to_numpy(), row["theta"].to_numpy())
        rise = deviance(result, *parameters) - lowest
        assert_allclose(row[("zeta", "")] ** 2, rise, rtol=0, atol=1e-5, err_msg=f"{kind} {held}")
        if not np.isnan(row[(kind, held)]):
            assert_allclose(
                row[(kind, held)], row[("value", "")], rtol=1e-5, atol=1e-4 * result.sigma
            )


@pytest.mark.parametrize("name", ["sleep_slope", "penicillin", "machines_slope"])
def test_no_other_values_of_the_other_parameters_are_better(name):
    # Moves of everything else along random directions raise the deviance, or lower it by
    # no more than what the search left undone.
    result = fitted(name)
    table = profiled(name).frame
    rng = np.random.default_rng(5)
    size = np.abs(result.theta) + 0.1
    errors = np.sqrt(np.diag(result.cov_params()))
    for (kind, held, point), row in table.iloc[::3].iterrows():
        if kind not in ("theta", "beta", "sigma"):
            continue
        here = deviance(result, row[("sigma", "")], row["beta"], row["theta"])
        for _ in range(4):
            step = 10.0 ** rng.uniform(-3, -1)
            sigma = row[("sigma", "")] * math.exp(step * rng.standard_normal())
            beta = row["beta"] + step * errors * rng.standard_normal(len(errors))
            theta = row["theta"] + step * size * rng.standard_normal(len(size))
            if kind == "sigma":
                sigma = row[("sigma", "")]
            else:
                moved = beta if kind == "beta" else theta
                moved[held] = row[(kind, held)]
            assert deviance(result, sigma, beta, theta) > here - 5e-6, (kind, held, point)


def test_zeta_of_sigma_is_that_of_fits_with_sigma_given():
    result = fitted("sleep_slope")
    curve = profiled("sleep_slope")["sigma", ""]
    for sigma in (22.0, 24.0, 27.0, 31.0):
        rise = result.model.fit(sigma=sigma).objective - result.objective
        sign = np.sign(sigma - result.sigma)
        assert_allclose(curve.zeta_at(sigma), sign * math.sqrt(rise), atol=ZETA)


def test_zeta_of_a_coefficient_is_that_of_fits_with_an_offset():
    result = fitted("sleep_slope")
    curve = profiled("sleep_slope")["beta", "days"]
    for slope in (6.0, 9.0, 12.0, 15.0):
        sleep = datasets.load("sleepstudy").assign(off=lambda d, b=slope: b * d["days"])
        other = fit("reaction ~ 1 + (1 + days | subj)", sleep, {"offset": "off"})
        rise = other.objective - result.objective
        sign = np.sign(slope - result.params["days"])
        assert_allclose(curve.zeta_at(slope), sign * math.sqrt(rise), atol=ZETA)


@pytest.mark.parametrize("corr", [-0.6, -0.2, 0.4, 0.8, 0.95])
def test_zeta_of_a_correlation_is_that_of_another_search(corr):
    result = fitted("sleep_slope")

    def objective(logs: np.ndarray) -> float:
        first, second = np.exp(logs)
        theta = [first, second * corr, second * math.sqrt(1 - corr**2)]
        return float(result.model.objective(theta))

    found = minimize(objective, np.log([0.9, 0.2]), method="Nelder-Mead", options={"fatol": 1e-10})
    rise = found.fun - result.objective
    expected = math.copysign(math.sqrt(rise), corr - 0.0813)
    curve = profiled("sleep_slope")["corr", "subj.days.Intercept"]
    assert_allclose(curve.zeta_at(corr), expected, atol=ZETA)


def test_a_balanced_one_way_layout_has_closed_forms():
    # Yield of 6 batches of 5: with lambda = sigma^2 + 5 sd^2 the deviance is
    # 24 log sigma^2 + 6 log lambda + SSW / sigma^2 + (SSB + 30 (mean - mu)^2) / lambda + const.
    data = datasets.load("dyestuff")
    means = data.groupby("batch", observed=True)["yield"].mean()
    between = 5 * float(((means - means.mean()) ** 2).sum())
    within = float(((data["yield"] - data["batch"].map(means).astype(float)) ** 2).sum())

    def rise(sigma2: float, lam: float, mu: float) -> float:
        distance = between + 30 * (means.mean() - mu) ** 2
        return 24 * math.log(sigma2) + 6 * math.log(lam) + within / sigma2 + distance / lam

    least = rise(within / 24, between / 6, means.mean())
    curves = profiled("dyestuff")
    # The mean: lambda is (SSB + 30 (mean - mu)^2) / 6 while that exceeds sigma^2.
    for mu in (1480.0, 1510.0, 1550.0):
        lam = (between + 30 * (means.mean() - mu) ** 2) / 6
        root = math.sqrt(rise(within / 24, lam, mu) - least)
        assert_allclose(abs(curves["beta", "Intercept"].zeta_at(mu)), root, atol=ZETA)
    # The ratio theta = sd / sigma: sigma^2 = (SSW + SSB / (1 + 5 theta^2)) / 30.
    for theta in (0.0, 0.3, 1.2, 2.0):
        share = 1 + 5 * theta**2
        sigma2 = (within + between / share) / 30
        root = math.sqrt(rise(sigma2, share * sigma2, means.mean()) - least)
        ours = float(curves["theta", "batch.Intercept"].zeta_at(theta))
        assert_allclose(abs(ours), root, atol=ZETA)


# Bounds.


def test_a_bound_that_is_not_significant_ends_the_interval():
    table = profiled("pastes").conf_int()
    assert table.loc[("sd", "batch.Intercept"), "lower"] == 0
    assert table.loc[("theta", "batch.Intercept"), "lower"] == 0
    assert profiled("dyestuff").conf_int(0.01).loc[("sd", "batch.Intercept"), "lower"] == 0
    assert profiled("dyestuff").conf_int(0.05).loc[("sd", "batch.Intercept"), "lower"] > 12
    orthodont = profiled("orthodont").conf_int()
    assert orthodont.loc[("corr", "subject.age.Intercept"), "upper"] == 1


def test_an_estimate_of_zero_has_an_upper_limit_only():
    curves = profiled("dyestuff2")
    curve = curves["sd", "batch.Intercept"]
    assert curve.estimate == 0
    assert curve.value[0] == 0
    assert curve.zeta[0] == 0
    lower, upper = curve.interval(0.95)
    assert lower == 0
    # by fits at a given ratio of standard deviations
    result = fitted("dyestuff2")
    objective = result.model.objective

    def at(sd: float) -> float:
        """Least deviance with this sd: theta = sd / sigma, sigma at will."""

        def given(log_sigma: np.ndarray) -> float:
            sigma = math.exp(log_sigma[0])
            return deviance(result, sigma, result.estimates.beta, np.array([sd / sigma]))

        return float(minimize(given, [math.log(result.sigma)], method="Nelder-Mead").fun)

    assert_allclose(at(upper) - objective([0.0]), norm.isf(0.025) ** 2, atol=1e-3)


def test_a_correlation_with_an_effect_that_does_not_vary_can_be_anything():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 8), "x": np.tile(np.arange(8.0), 12)})
    data["y"] = data["x"] + rng.standard_normal(96)
    data["y"] -= data.groupby("g")["y"].transform("mean") - data["y"].mean()
    result = fit("y ~ x + (x | g)", data)
    table = profile(result, "corr").conf_int()
    assert_allclose(table[["lower", "upper"]].to_numpy(), [[-1, 1]])


@pytest.mark.parametrize("seed", [4, 5, 9, 18, 23, 47])
def test_a_correlation_is_free_where_an_effect_need_not_vary(seed):
    """Its deviance is never above that of the model without the effect."""
    rng, g = np.random.default_rng(seed), np.repeat(np.arange(8), 8)
    x = rng.normal(size=64)
    slopes = rng.normal(size=(2, 8))[:, g] * [[0.6], [0.2]]
    data = pd.DataFrame({"y": 1 + x + slopes[0] + slopes[1] * x + rng.normal(size=64)})
    data["x"], data["g"] = x, g
    full = fit("y ~ x + (x | g)", data)
    smaller = [fit(f"y ~ x + {bars}", data) for bars in ("(1 | g)", "(0 + x | g)")]
    most = math.sqrt(min(other.objective for other in smaller) - full.objective)
    curves = profile(full, "corr")
    (curve,) = curves.curves
    assert max(abs(curve.zeta)) <= most + 1e-4
    lower, upper = curves.conf_int().loc[("corr", "g.x.Intercept"), ["lower", "upper"]]
    assert most < norm.isf(0.025)
    assert (lower, upper) == (-1, 1)
    # the least deviance at a correlation, over the deviations relative to sigma
    for corr, zeta in zip(curve.value[1:-1], curve.zeta[1:-1], strict=True):
        root = math.sqrt(1 - corr**2)
        least = min(
            minimize(
                lambda s, corr=corr, root=root: full.model.objective(
                    [s[0] ** 2, s[1] ** 2 * corr, s[1] ** 2 * root]
                ),
                start,
                method="Nelder-Mead",
                options={"xatol": 1e-6, "fatol": 1e-9, "maxfev": 2000},
            ).fun
            for start in ([0.8, 0.5], [0.8, 0.1], [0.1, 0.5])
        )
        # a curve this near to its ceiling has reached it
        assert_allclose(zeta**2, least - full.objective, atol=2e-3 * most + 1e-5)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.IdentificationWarning")
def test_what_lies_on_a_ridge_of_equal_deviance_is_unknown():
    # The data determine the variances under either source, but not this matrix itself.
    fit = fitted("oxide_source")
    limits = profile(fit, ("sd", "corr")).conf_int()[["lower", "upper"]]
    assert_array_equal(limits.notna().all(axis=1), fit.identified.reindex(limits.index))
    assert limits.notna().any(axis=None) and limits.loc["corr"].isna().all(axis=None)


# The model around it.


def test_units_do_not_matter():
    sleep = datasets.load("sleepstudy")
    sleep["reaction"] *= 1e-3
    sleep["days"] *= 24.0
    ours = profile(fit(SLEEP, sleep)).conf_int()
    plain = profiled("sleep_slope").conf_int()
    factors = pd.Series(1e-3, index=plain.index)
    factors[("beta", "days")] = factors[("sd", "subj.days")] = 1e-3 / 24
    factors["corr"] = 1.0
    factors[("theta", "subj.Intercept")] = 1.0
    factors[("theta", "subj.days.Intercept")] = factors[("theta", "subj.days")] = 1 / 24
    assert_allclose(ours, plain.mul(factors, axis=0), rtol=1e-4, atol=1e-9)


def test_after_reml_the_likelihood_is_profiled_about_its_own_maximum():
    reml = profile(fit(SLEEP, datasets.load("sleepstudy"), reml=True), ("sigma", "sd"))
    assert_allclose(reml.conf_int(), profiled("sleep_slope").conf_int(kinds=("sigma", "sd")), 1e-5)


def test_a_given_sigma_stays():
    curves = profile(fit(SLEEP, datasets.load("sleepstudy"), sigma=25.0))
    assert "sigma" not in curves.conf_int().index.get_level_values("kind")
    assert (curves.frame["sigma"] == 25.0).all()


def test_a_model_without_fixed_effects_has_a_profile():
    sleep = datasets.load("sleepstudy")
    curves = profile(fit("reaction ~ 0 + (1 | subj)", sleep))
    assert set(curves.conf_int().index.get_level_values("kind")) == {"sigma", "theta", "sd"}


def test_dropped_columns_are_left_out():
    sleep = datasets.load("sleepstudy").assign(hours=lambda d: 24 * d["days"])
    with pytest.warns(match="rank deficient"):
        result = fit("reaction ~ days + hours + (1 | subj)", sleep)
    table = profile(result, "beta").conf_int()
    assert list(table.loc["beta"].index) == ["Intercept", "days"]


# The value that is returned.


def test_values_and_zetas_are_inverse():
    for curve in profiled("sleep_slope").curves:
        assert (np.diff(curve.value) > 0).all()
        assert (np.diff(curve.zeta) >= 0).all()
        assert_allclose(curve.zeta_at(curve.value), curve.zeta, atol=1e-12)
        for zeta in (-2.5, -1.0, 0.0, 0.5, 1.5):
            assert_allclose(curve.zeta_at(curve.value_at(zeta)), zeta, atol=1e-9)
        assert np.isnan(curve.zeta_at(curve.value[-1] + 1e3))


def test_an_interval_beyond_the_points_is_refused():
    curves = profile(fitted("sleep_slope"), "sigma", level=0.95)
    curves.conf_int(0.05)
    with pytest.raises(OptionError, match="profile again with a higher level"):
        curves.conf_int(1e-5)


def test_limits_that_cannot_be_found_are_nan(monkeypatch):
    monkeypatch.setattr("statsmodels_mixed.profile.path.MOST_POINTS", 3)
    short, whole = profile(fitted("sleep_slope"), "sd"), profiled("sleep_slope")
    with pytest.warns(MixedModelWarning, match="from sd subj.Intercept, sd subj.days: limits"):
        assert np.isnan(short.conf_int(0.05)[["lower", "upper"]].to_numpy()).all()
    assert_allclose(short.conf_int(0.2), whole.conf_int(0.2, "sd"), rtol=1e-6)
    with pytest.raises(OptionError, match="farther on the deviance could not be minimized"):
        short["sd", "subj.days"].interval(0.95)


def test_kinds_can_be_chosen():
    curves = profile(fitted("sleep_slope"), ["sd", "sigma"])
    assert [curve.kind for curve in curves.curves] == ["sd", "sd", "sigma"]
    assert list(curves.conf_int(kinds="sigma").index) == [("sigma", "")]
    assert repr(curves).startswith(f"<Profile: {SLEEP}; 3 parameters, ")
    with pytest.raises(OptionError, match=r"no profile of \('beta', 'days'\)"):
        curves["beta", "days"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": "rho"}, "there is no 'rho' here; choose from beta, sigma, theta, sd, corr"),
        ({"level": 1.0}, "level must be between 0 and 1"),
    ],
)
def test_impossible_options_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        profile(fitted("sleep_slope"), **arguments)


def test_a_model_without_correlations_has_none_to_profile():
    with pytest.raises(OptionError, match="no 'corr' here"):
        profile(fitted("dyestuff"), "corr")


def test_a_result_without_data_is_refused():
    result = fit(SLEEP, datasets.load("sleepstudy"))
    result.remove_data()
    with pytest.raises(DataError, match="the data of this result were removed"):
        profile(result)


# Generalized models.

GENERALIZED: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "binomial": (
        "cbpp",
        "incid / hsz ~ period + (1 | herd)",
        {"family": sm.families.Binomial(), "weights": "hsz"},
        {},
    ),
    "quadrature": (
        "cbpp",
        "incid / hsz ~ period + (1 | herd)",
        {"family": sm.families.Binomial(), "weights": "hsz"},
        {"n_agq": 5},
    ),
    "slopes": (
        "contra",
        "use ~ age + urban + (1 + urban | dist)",
        {"family": sm.families.Binomial()},
        {},
    ),
    "poisson": (
        "grouseticks",
        "ticks ~ year + cheight + (1 | brood) + (1 | location)",
        {"family": sm.families.Poisson()},
        {},
    ),
    "gamma": (
        "sleepstudy",
        "reaction ~ days + (1 | subj)",
        {"family": sm.families.Gamma(sm.families.links.Log())},
        {},
    ),
}


@cache
def generalized(name: str) -> Any:
    source, formula, options, how = GENERALIZED[name]
    return smf.mixedglm2(formula, datasets.load(source), **options).fit(**how)


@cache
def profiled_generalized(name: str) -> Profile:
    return profile(generalized(name))


@pytest.mark.parametrize("name", GENERALIZED)
def test_zeta_of_a_generalized_model_is_the_root_of_the_rise(name):
    result, table = generalized(name), profiled_generalized(name).frame
    how = {"n_agq": result.estimates.n_agq}
    for (kind, held, point), row in table.iloc[::4].iterrows():
        dispersion = row[("dispersion", "")] if "dispersion" in table else 1.0
        there = result.model.objective(row["theta"], row["beta"], dispersion, **how)
        rise = there - result.objective
        assert_allclose(row[("zeta", "")] ** 2, rise, rtol=0, atol=2e-5, err_msg=f"{kind} {point}")
        assert_allclose(row[(kind, held)], row[("value", "")], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_units_of_the_response_of_a_generalized_model_do_not_matter(unit):
    data = datasets.load("sleepstudy")
    tables = []
    for scale in (1.0, unit):
        scaled = data.assign(reaction=scale * data["reaction"])
        family = sm.families.Gamma(links.Identity())
        result = smf.mixedglm2("reaction ~ days + (1 | subj)", scaled, family=family).fit()
        tables.append(profile(result).conf_int())
    assert_allclose(tables[1].loc["beta"], unit * tables[0].loc["beta"], rtol=1e-4)
    assert_allclose(tables[1].loc["sd"], unit * tables[0].loc["sd"], rtol=1e-4)
    assert_allclose(tables[1].loc["dispersion"], tables[0].loc["dispersion"], rtol=1e-4)


def test_zeta_of_a_coefficient_of_a_generalized_model_is_that_of_fits_with_an_offset():
    result, curves = generalized("slopes"), profiled_generalized("slopes")
    data = datasets.load("contra")
    for value in (-0.004, 0.004, 0.015, 0.022):
        offset = value * data["age"].to_numpy()
        other = smf.mixedglm2(
            "use ~ urban + (1 + urban | dist)", data, sm.families.Binomial(), offset=offset
        ).fit()
        root = math.sqrt(other.objective - result.objective)
        expected = math.copysign(root, value - result.params["age"])
        assert_allclose(curves["beta", "age"].zeta_at(value), expected, atol=ZETA)


@pytest.mark.parametrize("sd", [0.3, 0.5, 0.9, 1.2])
@pytest.mark.parametrize("name", ["binomial", "quadrature"])
def test_zeta_of_a_deviation_of_a_generalized_model_is_that_of_another_search(name, sd):
    result = generalized(name)
    how = {"n_agq": result.estimates.n_agq}
    found = minimize(
        lambda beta: result.model.objective([sd], beta, **how),
        np.asarray(result.params),
        jac=lambda beta: result.model.gradient([sd], beta, **how)[1:],
        method="BFGS",
    )
    expected = math.copysign(math.sqrt(found.fun - result.objective), sd - result.theta[0])
    curve = profiled_generalized(name)["sd", "herd.Intercept"]
    assert_allclose(curve.zeta_at(sd), expected, atol=ZETA)


def test_the_bound_of_a_deviation_of_a_generalized_model_is_the_model_without_it():
    result = generalized("poisson")
    data = datasets.load("grouseticks")
    less = smf.mixedglm2("ticks ~ year + cheight + (1 | brood)", data, sm.families.Poisson()).fit()
    curve = profiled_generalized("poisson")["sd", "location.Intercept"]
    assert curve.value[0] == 0
    assert_allclose(curve.zeta[0] ** 2, less.objective - result.objective, atol=1e-5)
    assert curve.interval(0.95)[0] == 0


@pytest.mark.parametrize(("seed", "overdispersed"), [(2, True), (5, False)])
def test_the_bound_of_alpha_is_the_poisson_model(seed, overdispersed):
    rng, g = np.random.default_rng(seed), np.repeat(np.arange(10), 10)
    mu = np.exp(0.5 + rng.normal(size=10)[g] * 0.5)
    p = 1 / (1 + mu / 6)
    y = rng.negative_binomial(6, p) if overdispersed else rng.binomial(20, mu / 20)
    data = pd.DataFrame({"y": y, "g": g})
    result, poisson = (
        smf.mixedglm2("y ~ 1 + (1 | g)", data, family=family).fit()
        for family in (sm.families.NegativeBinomial(alpha=1.0), sm.families.Poisson())
    )
    curve = profile(result, "dispersion")["dispersion", ""]
    assert curve.value[0] == 0
    rise = poisson.objective - result.objective
    assert (rise > 0.5) == overdispersed
    assert_allclose(curve.zeta[0] ** 2, rise, atol=1e-5)
    lower, upper = profile(result).conf_int(0.01).loc[("dispersion", ""), ["lower", "upper"]]
    assert lower == 0
    least = minimize(
        lambda x: result.model.objective([abs(x[0])], [x[1]], upper),
        [result.theta[0], result.params["Intercept"]],
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-8},
    ).fun
    assert_allclose(math.sqrt(least - result.objective), norm.isf(0.005), atol=ZETA)


def test_a_fast_fit_is_no_maximum_of_the_likelihood():
    _, formula, options, _ = GENERALIZED["binomial"]
    fast = smf.mixedglm2(formula, datasets.load("cbpp"), **options).fit(fast=True)
    with pytest.raises(OptionError, match="fit without fast=True"):
        profile(fast)
    with pytest.raises(OptionError, match="no 'sigma' here; choose from beta, theta, sd"):
        profile(generalized("binomial"), "sigma")


@pytest.mark.parametrize(
    ("asked", "labels"),
    [
        ("days", [("beta", "days")]),
        ("subj.days", [("theta", "subj.days"), ("sd", "subj.days")]),
        (["sigma", "days", "beta"], [("beta", "Intercept"), ("beta", "days"), ("sigma", "")]),
    ],
)
def test_parameters_are_profiled_by_name(asked, labels):
    fit = smf.mixedlm2("reaction ~ days + (1 + days | subj)", datasets.load("sleepstudy")).fit()
    found, whole = fit.profile(asked).conf_int(), fit.profile().conf_int()
    assert set(found.index) == set(labels)
    assert_allclose(found, whole.loc[found.index], rtol=1e-9)


def test_names_of_no_parameter_are_refused():
    fit = smf.mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    with pytest.raises(OptionError, match="there is no 'day' here; choose from beta, sigma"):
        fit.profile(["sd", "day"])
