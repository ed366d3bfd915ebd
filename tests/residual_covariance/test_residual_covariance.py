"""Correlated residuals: nlme's published fits, dense NumPy, and what must not matter."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import multivariate_normal

from statsmodels_mixed import DataError, FormulaError, OptionError, datasets
from statsmodels_mixed.formula.residual import parse_residual
from statsmodels_mixed.residual_covariance.sums import SingleRows, Sums

# nlme 3.1 (R), gls(distance ~ Sex * I(age - 11)) of Orthodont and gls(Reaction ~ Days) of
# sleepstudy: log-likelihood (of REML without + log|X'X| / 2, which gls adds), sigma or the first
# standard deviation, and the other parameters.
NLME = {
    "un": ("us(age | subject)", None, True, -212.273400099277, 2.32921259734067,
           [0.568197011397616, 0.658949350475537, 0.522039284553904, 0.580606453616637,
            0.724921048759358, 0.73962074818215]),
    "csh": ("hcs(age | subject)", None, False, -213.358291824327, 2.31125376861439,
            [0.622388296772874]),
    "arh1": ("har1(age | subject)", None, True, -221.39808010121, 2.41140601216846,
             [0.633257939538972]),
    "cs": ("cs(1 | subject)", None, False, -214.319529009789, 2.21475787738596,
           [0.617830863693541]),
    "cs, sd by sex": ("cs(age | subject)", "~ sex", False, -208.326053887717, 1.69342191314282,
                      [0.722810949830667, 1.7167202609368]),
}  # fmt: skip


@cache
def orthodont() -> pd.DataFrame:
    table = datasets.load("orthodont")
    table = table.rename(columns={name: name.lower() for name in table.columns})
    sex = pd.Categorical(table["sex"].astype(str), sorted(set(table["sex"].astype(str))))
    if sex.categories[0] == "Female" and str(sex.dtype) == "category":
        table["sex"] = np.where(np.asarray(sex) == "Female", "A", "B")
    table["cage"] = table["age"] - 11.0
    return table


@pytest.mark.parametrize("name", NLME)
def test_nlme(name):
    residual, dispersion, reml, llf, sd, others = NLME[name]
    model = smf.mixedlm2(
        "distance ~ sex * cage", orthodont(), residual=residual, dispersion=dispersion
    )
    fit = model.fit(reml=reml)
    assert fit.llf == pytest.approx(llf, rel=1e-10)
    found = fit.residual_parameters["estimate"]
    assert found.iloc[0] == pytest.approx(sd, rel=1e-4)
    assert found.iloc[-len(others) :].to_numpy() == pytest.approx(np.array(others), rel=2e-4)


@pytest.mark.parametrize(
    ("residual", "reml", "llf", "correlation"),
    [
        ("ar1(days | subj)", False, -874.056908588458, 0.791661732710629),
        ("cs(1 | subj)", True, -893.232542697564, 0.589310257247742),
    ],
)
def test_nlme_sleepstudy(residual, reml, llf, correlation):
    fit = smf.mixedlm2("reaction ~ days", datasets.load("sleepstudy"), residual=residual).fit(reml)
    assert fit.llf == pytest.approx(llf, rel=1e-10)
    assert fit.residual_parameters["estimate"].iloc[1] == pytest.approx(correlation, rel=1e-5)


@cache
def trial() -> pd.DataFrame:
    """Return a simulated trial: 60 subjects, 4 visits, two arms, a fifth of the rows missing."""
    rng = np.random.default_rng(20)
    n, visits = 60, np.array([1, 2, 4, 7])
    subject = np.repeat(np.arange(n), 4)
    table = pd.DataFrame(
        {
            "subject": subject,
            "visit": np.tile(visits, n),
            "arm": np.where(subject % 2 == 0, "a", "b"),
            "site": subject // 6,
            "x": rng.uniform(0.5, 2.0, 4 * n),
            "w": rng.integers(1, 4, 4 * n).astype(float),
        }
    )
    root = np.linalg.cholesky(0.5 + 0.5 * np.eye(4)) * np.array([[1.0], [1.2], [1.5], [1.3]])
    noise = (rng.standard_normal((n, 4)) @ root.T).ravel()
    site = rng.standard_normal(n // 6)[table["site"]]
    table["y"] = 2.0 + 0.3 * table["visit"] + (table["arm"] == "b") + 0.5 * site + noise
    return table[rng.uniform(size=len(table)) > 0.2].sample(frac=1.0, random_state=1)


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "us": ("y ~ arm * C(visit)", {"residual": "us(visit | subject)"}),
    "us by arm": ("y ~ arm", {"residual": "us(visit | subject, by=arm)"}),
    "toep, weights": ("y ~ arm", {"residual": "toep(visit | subject)", "weights": "w"}),
    "had": ("y ~ arm", {"residual": "had(visit | subject)"}),
    "exp, power": ("y ~ arm", {"residual": "exp(visit | subject)", "dispersion": "power(x)"}),
    "variances alone": ("y ~ arm", {"dispersion": "~ arm + x"}),
    "ar1 by arm, exp": (
        "y ~ visit",
        {"residual": "ar1(visit | subject, by=arm)", "dispersion": "exp(x)"},
    ),
    "site": ("y ~ arm + (1 + visit | site)", {"residual": "us(visit | subject)"}),
    "subject, ar1": (
        "y ~ arm + (1 | subject)",
        {"residual": "ar1(visit | subject)", "dispersion": "~ arm", "weights": "w"},
    ),
}


def _covariance(fit: Any, table: pd.DataFrame) -> np.ndarray:
    """Return V of all rows, entry by entry from what the fit reports."""
    rows = table.reset_index(drop=True)
    n, reported = len(rows), fit.residual_covariance
    if fit.model.residual is None:
        V = np.asarray(reported)[0, 0] * np.eye(n)
    else:
        frames = reported if isinstance(reported, dict) else dict.fromkeys("ab", reported)
        V = np.zeros((n, n))
        for arm, frame in frames.items():
            at = np.flatnonzero(rows["arm"] == arm)
            visits = rows["visit"][at].astype(str)
            V[np.ix_(at, at)] = frame.loc[visits, visits]
        subject = rows["subject"].to_numpy()
        V *= subject[:, None] == subject
    spread = dict(zip(fit.estimates.dispersion_names, fit.estimates.dispersion_values, strict=True))
    g = np.ones(n)
    for name, value in spread.items():
        if name == "power(x)":
            g *= rows["x"].to_numpy() ** value
        elif name == "exp(x)":
            g *= np.exp(value * rows["x"].to_numpy())
        elif name == "arm[T.b]":
            g *= np.where(rows["arm"] == "b", value, 1.0)
        else:
            g *= value ** rows[name].to_numpy()
    if fit.model.weights is not None:
        g /= np.sqrt(rows["w"].to_numpy())
    V *= np.outer(g, g)
    for block, b in zip(fit.layout.blocks, fit.kept_design().blocks, strict=True):
        sigma = fit.varcorr.covariance(block.name).to_numpy()
        same = b.refs[:, None] == b.refs[None, :]
        V += same * (b.z @ sigma @ b.z.T)
    return V


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_dense_likelihood(name, reml):
    formula, options = MODELS[name]
    fit = smf.mixedlm2(formula, trial(), **options).fit(reml=reml)
    assert fit.converged
    V, design = _covariance(fit, trial()), fit.kept_design()
    X, y = design.X, design.y
    W = np.linalg.solve(V, X)
    beta = np.linalg.solve(X.T @ W, W.T @ y)
    value = -2.0 * multivariate_normal(X @ beta, V).logpdf(y)
    if reml:
        value += np.linalg.slogdet(X.T @ W)[1] - X.shape[1] * np.log(2.0 * np.pi)
    assert fit.objective == pytest.approx(value, rel=1e-11)
    assert np.asarray(fit.params) == pytest.approx(beta, rel=1e-8)
    errors = np.sqrt(np.diag(np.linalg.inv(X.T @ W)))
    assert np.asarray(fit.bse) == pytest.approx(errors, rel=1e-8)
    for block, modes in zip(design.blocks, fit.estimates.b, strict=True):
        e = np.linalg.solve(V, y - X @ beta)
        sums = np.zeros_like(modes)
        np.add.at(sums, block.refs, block.z * e[:, None])
        sigma = fit.varcorr.covariance(block.name).to_numpy()
        assert modes == pytest.approx(sums @ sigma, abs=1e-8)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_derivatives_against_differences(name, reml):
    formula, options = MODELS[name]
    problem = smf.mixedlm2(formula, trial(), **options).problem
    likelihood = problem.likelihood(reml)
    x = problem.starts()[0]
    x = x + 0.07 * np.cos(np.arange(len(x)))
    value, gradient, _ = likelihood(x)
    found = likelihood.information(x)
    assert found.gradient == pytest.approx(gradient, rel=1e-10, abs=1e-10)
    steps = 1e-5 * np.eye(len(x))
    slopes = [(likelihood(x + s)[0] - likelihood(x - s)[0]) / 2e-5 for s in steps]
    curves = [(likelihood(x + s)[1] - likelihood(x - s)[1]) / 2e-5 for s in steps]
    size = np.abs(gradient).max()
    assert np.abs(gradient - slopes).max() < 1e-6 * size
    assert np.abs(found.observed - curves).max() < 1e-6 * np.abs(found.observed).max()
    assert np.isfinite(value)


def test_gradient_in_the_parameters():
    formula, options = MODELS["subject, ar1"]
    model = smf.mixedlm2(formula, trial(), **options)
    theta = 0.9 * model.fit().theta
    steps = 1e-5 * np.eye(len(theta))
    slopes = [(model.objective(theta + s) - model.objective(theta - s)) / 2e-5 for s in steps]
    assert model.gradient(theta) == pytest.approx(np.array(slopes), rel=1e-6, abs=1e-6)
    assert model.theta_names == model.fit().theta_names


def test_expected_information_is_the_mean_of_the_observed():
    problem = smf.mixedlm2("y ~ arm", trial(), residual="us(visit | subject)").problem
    rng = np.random.default_rng(3)
    fit = smf.mixedlm2("y ~ arm", trial(), residual="us(visit | subject)").fit(reml=True)
    x = fit.estimates.x
    draws = fit.simulate(300, seed=rng)
    total = np.zeros((len(x), len(x)))
    for y in draws.T:
        model = fit.model.with_response(y)
        total += model.problem.likelihood(True).information(x).observed / draws.shape[1]
    expected = problem.likelihood(True).information(x).expected
    assert np.abs(total - expected).max() < 0.1 * np.abs(expected).max()


def test_sums_and_rows_give_the_same():
    rng = np.random.default_rng(0)
    Y, counts = rng.standard_normal((11, 3, 4)), np.array([6, 5])
    C = rng.standard_normal((2, 2, 3, 3))
    M, b = rng.standard_normal((4, 4)), rng.standard_normal(4)
    sums, rows = Sums(Y, counts), SingleRows(Y, counts)
    direct = [sum(y.T @ c[int(i >= 6)] @ y for i, y in enumerate(Y)) for c in C]
    for each in (sums, rows):
        assert each.quadratic(C) == pytest.approx(np.array(direct))
        assert each.vector(C, b) == pytest.approx(np.array(direct) @ b)
        outer = [sum(y @ M @ y.T for y in part) for part in (Y[:6], Y[6:])]
        assert each.outer(M) == pytest.approx(np.array(outer))


def test_order_of_rows_does_not_matter():
    residual = "har1(visit | subject)"
    fit = smf.mixedlm2("y ~ arm", trial(), residual=residual).fit(reml=True)
    other = smf.mixedlm2("y ~ arm", trial().sort_values("x"), residual=residual).fit(reml=True)
    assert other.objective == pytest.approx(fit.objective, rel=1e-12)
    assert other.theta == pytest.approx(fit.theta, rel=1e-6)


def test_steps_come_from_the_values_of_times():
    fit = smf.mixedlm2("y ~ arm", trial(), residual="ar1(visit | subject)").fit()
    rho = fit.residual_parameters.loc["rho", "estimate"]
    assert fit.residual_correlation.loc["1", "7"] == pytest.approx(rho**6)
    labels = trial().assign(visit=lambda d: "v" + d["visit"].astype(str))
    by_rank = smf.mixedlm2("y ~ arm", labels, residual="ar1(visit | subject)").fit()
    rho = by_rank.residual_parameters.loc["rho", "estimate"]
    assert by_rank.residual_correlation.loc["v1", "v7"] == pytest.approx(rho**3)


def test_cs_is_a_random_intercept_where_its_correlation_is_positive():
    cs = smf.mixedlm2("y ~ arm", trial(), residual="cs(visit | subject)").fit(reml=True)
    intercept = smf.mixedlm2("y ~ arm + (1 | subject)", trial()).fit(reml=True)
    assert cs.llf == pytest.approx(intercept.llf, rel=1e-9)
    assert np.asarray(cs.bse) == pytest.approx(np.asarray(intercept.bse), rel=1e-5)


def test_units_of_the_response_do_not_matter():
    residual = "ar1(visit | subject)"
    fit = smf.mixedlm2("y ~ arm + (1 | site)", trial(), residual=residual).fit(reml=True)
    scaled = trial().assign(y=1e6 * trial()["y"])
    other = smf.mixedlm2("y ~ arm + (1 | site)", scaled, residual=residual).fit(reml=True)
    assert other.converged
    assert np.asarray(other.params) == pytest.approx(1e6 * np.asarray(fit.params), rel=1e-6)
    assert other.theta[0] == pytest.approx(1e6 * fit.theta[0], rel=1e-5)


def test_residuals_are_independent_with_variance_one_when_normalized():
    fit = smf.mixedlm2("y ~ arm", trial(), residual="us(visit | subject)").fit()
    e = np.asarray(fit.residuals("marginal"))
    V = _covariance(fit, trial())
    z = np.asarray(fit.residuals("normalized"))
    assert z @ z == pytest.approx(e @ np.linalg.solve(V, e), rel=1e-10)
    sd = np.sqrt(np.diag(V))
    assert np.asarray(fit.residuals("pearson")) == pytest.approx(e / sd, rel=1e-10)


def test_draws_have_the_covariance_of_the_fit():
    formula, options = MODELS["subject, ar1"]
    fit = smf.mixedlm2(formula, trial(), **options).fit()
    draws = fit.simulate(4000, seed=1)
    V = _covariance(fit, trial())
    found = np.cov(draws)
    error = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / 4000)
    assert np.mean(np.abs(found - V) < 3.0 * error) > 0.99
    assert draws.mean(axis=1) == pytest.approx(fit.predict().to_numpy(), abs=0.25)


def test_by_has_a_covariance_for_each_stratum():
    fit = smf.mixedlm2("y ~ arm", trial(), residual="us(visit | subject, by=arm)").fit()
    assert list(fit.residual_covariance) == ["a", "b"]
    # Where the mean has its own coefficients in each stratum, they are fits of their own.
    table = trial()
    both = smf.mixedlm2("y ~ 0 + arm", table, residual="us(visit | subject, by=arm)").fit()
    parts = [
        smf.mixedlm2("y ~ 1", table[table["arm"] == arm], residual="us(visit | subject)").fit()
        for arm in "ab"
    ]
    assert both.llf == pytest.approx(sum(part.llf for part in parts), rel=1e-10)


def test_summary_names_structure_and_parameters():
    text = str(smf.mixedlm2("y ~ arm", trial(), residual="ar1(visit | subject)").fit().summary())
    assert "ar1(visit | subject), 60 subjects" in text
    assert "rho" in text


def test_a_boundary_is_a_fact_in_words():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"g": np.repeat(np.arange(40), 3), "t": np.tile([0, 1, 2], 40)})
    noise = rng.standard_normal((40, 3))
    table["y"] = (noise - 0.999 * noise.mean(axis=1, keepdims=True)).ravel()
    fit = smf.mixedlm2("y ~ 1", table, residual="cs(t | g)").fit()
    rho = fit.residual_parameters.loc["rho", "estimate"]
    assert -0.5 <= rho < -0.49


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ arm", {"residual": "cs(visit | subject, by=arm)", "dispersion": "~ arm"}),
        ("y ~ arm + (1 | subject)", {"residual": "us(visit | subject)"}),
        ("y ~ arm + (1 | subject)", {"residual": "toep(visit | subject)"}),
    ],
)
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.IdentificationWarning")
def test_covariances_that_say_the_same_twice_are_reported(formula, options):
    model = smf.mixedlm2(formula, trial(), **options)
    fit = model.fit(reml=True)
    assert fit.converged
    assert "do not distinguish Residual" in str(fit.summary())
    assert fit.residual_parameters["std_error"].isna().any()


REFUSED = [
    ({"residual": "us(visit, subject)"}, FormulaError, "one bar"),
    ({"residual": "nothing(visit | subject)"}, OptionError, "no covariance structure nothing"),
    ({"residual": "ar1(1 | subject)"}, OptionError, "name the visits or times"),
    ({"residual": "exp(arm | subject)"}, DataError, "needs numbers"),
    ({"residual": "us(visit | site)"}, DataError, "rows at visit"),
    ({"residual": "us(visit | subject, by=visit)"}, DataError, "by=visit has to be the same"),
    ({"residual": "us(day | subject)"}, DataError, "day"),
    ({"residual": "us(visit | subject, sharp=True)"}, OptionError, "sharp"),
    ({"residual": "rr(visit | subject)"}, OptionError, "full rank"),
    ({"residual": 3}, OptionError, "residual must be a name"),
    ({"dispersion": "power(arm)"}, DataError, "holds labels"),
    ({"dispersion": "sqrt(x)"}, FormulaError, "dispersion= is"),
    ({"dispersion": ""}, FormulaError, "dispersion= is"),
]


@pytest.mark.parametrize(("options", "error", "words"), REFUSED)
def test_mistakes_are_named(options, error, words):
    with pytest.raises(error, match=words):
        smf.mixedlm2("y ~ arm", trial(), **options)


def test_too_few_rows_for_a_variance_are_refused():
    table = trial()
    few = pd.concat([table[table["visit"] < 7], table[table["visit"] == 7].head(1)])
    with pytest.raises(DataError, match="visit 7 has a single row"):
        smf.mixedlm2("y ~ arm", few, residual="hcs(visit | subject)")
    with pytest.raises(DataError, match="needs more than 4 subjects"):
        smf.mixedlm2("y ~ 1", table[table["subject"] < 4], residual="us(visit | subject)")


def test_missing_visits_may_be_dropped_but_are_no_visit():
    table = trial().astype({"visit": float})
    table.loc[table.index[:3], "visit"] = np.nan
    model = smf.mixedlm2("y ~ arm", table, residual="us(visit | subject)")
    assert model.nobs == len(table) - 3
    for residual in ("us(visit | subject)", "ar1(visit | subject)"):
        with pytest.raises(DataError, match="'visit' is missing"):
            smf.mixedlm2("y ~ arm", table, residual=residual, missing="none")


def test_a_formula_without_bars_names_residual():
    with pytest.raises(FormulaError, match=r"smf\.ols.*residual="):
        smf.mixedlm2("y ~ arm", trial())


def test_text_of_residuals():
    term = parse_residual('exp(0 + lon + Q("a b") | g / h, by=arm, nugget=True)')
    assert term.places == ("lon", "a b")
    assert term.subject == ("g", "h")
    assert term.by == "arm"
    assert term.options == (("nugget", True),)
