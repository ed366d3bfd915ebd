"""Fits as data frames: tidy, glance, augment, modes with errors, coefficients by level."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy import stats

from statsmodels_mixed import DataError, OptionError, datasets

SLEEP = "reaction ~ days + (days | subj)"
TIDY = [
    *("effect", "component", "group", "term", "estimate", "std_error"),
    *("statistic", "df", "pvalue", "lower", "upper"),
]
# Profile intervals of this model in Bates, Maechler, Bolker and Walker (2015), Journal of
# Statistical Software 67(1), section 5.1.
PROFILE = {
    "Intercept": (237.681, 265.130),
    "days": (7.359, 13.576),
    "sd__Intercept": (14.381, 37.716),
    "sd__days": (3.801, 8.753),
    "cor__Intercept.days": (-0.482, 0.685),
    "sd__Observation": (22.898, 28.858),
}


@pytest.fixture(scope="module")
def sleep():
    return smf.mixedlm2(SLEEP, datasets.load("sleepstudy")).fit()


@pytest.fixture(scope="module")
def contra():
    return smf.mixedglm2("use ~ urban + (1 | dist)", datasets.load("contra"), "binomial").fit()


@pytest.fixture(scope="module")
def pastes():
    return smf.mixedlm2("strength ~ 1 + (1 | batch / cask)", datasets.load("pastes")).fit()


# tidy


def test_tidy_has_a_row_for_each_parameter(sleep):
    table = sleep.tidy()
    assert list(table.columns) == TIDY
    assert table["term"].tolist() == list(PROFILE)
    assert table["effect"].tolist() == ["fixed"] * 2 + ["ran_pars"] * 4
    assert table["group"].tolist() == ["", "", "subj", "subj", "subj", "Residual"]
    fixed = table.iloc[:2]
    assert_allclose(fixed["estimate"], sleep.params)
    assert_allclose(fixed["std_error"], sleep.bse)
    assert_allclose(fixed["statistic"], sleep.tvalues)
    assert_allclose(fixed["pvalue"], sleep.pvalues)
    assert_allclose(fixed[["lower", "upper"]], sleep.conf_int())
    assert np.isinf(fixed["df"]).all() and table.iloc[2:]["lower"].isna().all()
    # Of MixedModels.jl's page on the constructors.
    assert_allclose(table["estimate"][2:], [23.78058, 5.71683, 0.08, 25.59182], atol=2e-3)


def test_tidy_with_profile_intervals(sleep):
    for method in ("profile", sleep.profile()):
        table = sleep.tidy(conf_method=method).set_index("term")
        for term, limits in PROFILE.items():
            assert_allclose(table.loc[term, ["lower", "upper"]].astype(float), limits, atol=6e-4)
    narrow = sleep.tidy("fixed", conf_method="profile", level=0.5)
    assert (narrow["upper"] < [265.130, 13.576]).all()


def test_tidy_with_bootstrap_intervals(sleep):
    table = sleep.tidy(conf_method="bootstrap", n=40, seed=2).set_index("term")
    replicates = sleep.bootstrap(40, seed=2)
    again = sleep.tidy(conf_method=replicates).set_index("term")
    pd.testing.assert_frame_equal(table, again)
    limits = replicates.conf_int()
    keys = [("sd", "subj.days"), ("corr", "subj.days.Intercept"), ("sigma", "")]
    rows = table.loc[["sd__days", "cor__Intercept.days", "sd__Observation"], ["lower", "upper"]]
    assert_allclose(rows, limits.loc[keys, ["lower", "upper"]])


def test_tidy_takes_the_degrees_of_freedom_of_the_fit():
    fit = smf.mixedlm2(SLEEP, datasets.load("sleepstudy")).fit(reml=True, dof="satterthwaite")
    table = fit.tidy("fixed", level=0.9)
    assert_allclose(table["df"], [17, 17], rtol=1e-4)  # lmerTest's for this model
    half = stats.t.ppf(0.95, table["df"]) * table["std_error"]
    assert_allclose(table["upper"], table["estimate"] + half)


def test_tidy_of_a_generalized_fit(contra):
    table = contra.tidy(exponentiate=True)
    assert_allclose(table.loc[1, "estimate"], np.exp(contra.params.iloc[1]))
    assert_allclose(table.loc[:1, ["lower", "upper"]], np.exp(contra.conf_int()))
    assert_allclose(table.loc[:1, "pvalue"], contra.pvalues)
    assert table["term"].tolist() == ["Intercept", "urban[T.Y]", "sd__Intercept"]
    ticks = datasets.load("grouseticks")
    fit = smf.mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "nbinom2").fit()
    last = fit.tidy().iloc[-1]
    assert (last["group"], last["term"]) == ("Residual", "dispersion")
    assert last["estimate"] == fit.dispersion


def test_ratios_of_several_parts():
    ticks = datasets.load("grouseticks")
    parts = {"zero_inflation": "~ 1", "dispersion": "~ 1"}
    fit = smf.mixedglm2("ticks ~ height + (1 | brood)", ticks, "nbinom2", **parts).fit()
    ratios, plain = fit.tidy("fixed", exponentiate=True), fit.tidy("fixed")
    assert_allclose(ratios["estimate"], np.exp(fit.params))
    assert_allclose(ratios[["lower", "upper"]], np.exp(plain[["lower", "upper"]]))
    assert_allclose(ratios["std_error"], fit.bse * np.exp(fit.params))
    assert ratios["pvalue"].equals(plain["pvalue"])
    table = fit.coeftable(exponentiate=True)
    assert_allclose(table["Ratio"], np.exp(fit.params))
    heads = [line.split()[:2] for line in str(fit.summary(exponentiate=True)).splitlines()]
    assert {("rate", "ratio"), ("odds", "ratio"), ("ratio", "std")} <= {*map(tuple, heads)}
    levels = fit.tidy("ran_coefs")
    assert_allclose(levels["estimate"], fit.coef_by_group()["brood"].to_numpy().ravel())
    ticks["many"] = pd.cut(ticks["ticks"], [-1, 0, 5, 99], labels=["no", "few", "many"])
    ordinal = smf.mixedordinal2("many ~ height + (1 | brood)", ticks).fit()
    odds = ordinal.coeftable(exponentiate=True)
    assert_allclose(odds["Odds ratio"], np.exp(ordinal.params[["height"]]))
    assert ordinal.tidy(exponentiate=True)["estimate"].iloc[0] == ordinal.params.iloc[0]


def test_tidy_with_conditional_modes(sleep):
    table = sleep.tidy("ran_vals", level=0.9)
    assert list(table.columns) == [*TIDY[:3], "level", *TIDY[3:]]
    assert len(table) == 36
    assert table.loc[1, "estimate"] == sleep.ranef()["subj"].iloc[0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effects": "random"}, "some of fixed, ran_pars, ran_vals"),
        ({"conf_method": "boot"}, "wald, profile or bootstrap"),
        ({"level": 95}, "between 0 and 1"),
        ({"seed": 3}, "no option of this method"),
        ({"exponentiate": True}, "generalized models only"),
    ],
)
def test_tidy_refuses(sleep, options, message):
    with pytest.raises(OptionError, match=message):
        sleep.tidy(**options)


def test_dropped_coefficients_are_rows_without_numbers():
    data = datasets.load("sleepstudy").assign(hours=lambda d: 24.0 * d.days)
    with pytest.warns(match="rank deficient"):
        fit = smf.mixedlm2("reaction ~ days + hours + (1 | subj)", data).fit()
    table = fit.tidy("fixed")
    assert table["term"].tolist() == ["Intercept", "days", "hours"]
    assert table.loc[2, ["estimate", "df", "lower"]].isna().all()


# glance


def test_glance_is_one_row(sleep, contra, pastes):
    row = sleep.glance()
    assert list(row.columns) == [
        *("nobs", "groups", "sigma", "llf", "aic", "aicc", "bic", "objective"),
        *("df_resid", "converged", "singular"),
    ]
    assert row.loc[0, ["nobs", "groups", "df_resid"]].tolist() == [180, 18, 174]
    # Of MixedModels.jl's page on the constructors.
    numbers = row.loc[0, ["llf", "objective", "aic", "aicc", "bic"]].astype(float)
    assert_allclose(numbers, [-875.9697, 1751.9393, 1763.9393, 1764.4249, 1783.0971], atol=6e-5)
    stacked = pd.concat([fit.glance() for fit in (sleep, contra, pastes)])
    assert stacked["sigma"].isna().tolist() == [False, True, False]
    assert stacked["groups"].tolist() == [18, 60, "batch & cask 30, batch 10"]


# augment


def test_augment_is_the_data_with_what_the_fit_says(sleep):
    table = sleep.augment()
    assert list(table.columns[:3]) == ["reaction", "days", "subj"]
    assert_allclose(table[".fitted"] + table[".resid"], table["reaction"])
    X, Z = sleep.model.exog, np.zeros((180, 36))
    codes = pd.factorize(table["subj"])[0]
    Z[np.arange(180), 2 * codes], Z[np.arange(180), 2 * codes + 1] = 1, table["days"]
    assert_allclose(table[".fixed"], X @ sleep.params)
    # The hat matrix, written down.
    T = np.kron(np.eye(18), sleep.lambda_[0])
    V = np.eye(180) + Z @ T @ T.T @ Z.T
    W = np.linalg.inv(V)
    fixed = X @ np.linalg.solve(X.T @ W @ X, X.T @ W)
    hat = fixed + Z @ T @ T.T @ Z.T @ W @ (np.eye(180) - fixed)
    assert_allclose(table[".hat"], np.diag(hat), rtol=1e-6)
    scaled = sleep.resid / (sleep.sigma * np.sqrt(1 - np.diag(hat)))
    assert_allclose(table[".std_resid"], scaled, rtol=1e-6)
    assert (table[".cooksd"] >= 0).all()


def test_augment_finds_the_rows_of_other_tables():
    data = datasets.load("sleepstudy")
    data.index = [f"row {i}" for i in range(180)]
    data["days"] = data["days"].astype(float)
    data.loc["row 5", "days"] = np.nan
    data["note"] = "x"
    fit = smf.mixedlm2(SLEEP, data).fit()
    table = fit.augment(data)
    assert len(table) == 180 and "note" in table
    assert table.loc["row 5", [".fitted", ".hat"]].isna().all()
    assert_allclose(table[".fitted"].dropna(), fit.fittedvalues)
    shuffled = fit.augment(data.sample(frac=1, random_state=1))
    assert_allclose(shuffled.loc[data.index, ".resid"], table[".resid"])
    with pytest.raises(DataError, match=r"lacks 19 rows of the fit \(first: 'row 161'\)"):
        fit.augment(data.iloc[:161])


def test_augment_of_other_tables_weights_and_arrays():
    cbpp = datasets.load("cbpp")
    model = smf.mixedglm2("incid / hsz ~ period + (1 | herd)", cbpp, "binomial", weights="hsz")
    fit = model.fit()
    table = fit.augment(pl.from_pandas(cbpp))
    assert_allclose(table[".weights"], cbpp["hsz"])
    assert_allclose(table[".fitted"], fit.fittedvalues)
    sleep = datasets.load("sleepstudy")
    exog = np.column_stack([np.ones(180), sleep["days"]])
    arrays = smf.mixedlm2(SLEEP, sleep).__class__(sleep["reaction"].to_numpy(), exog, sleep["subj"])
    assert arrays.fit().augment().shape == (180, 9)


# Conditional modes


def test_errors_of_modes_are_those_of_their_conditional_distribution(sleep):
    data = datasets.load("sleepstudy")
    T, rows = sleep.lambda_[0], data["subj"] == "S309"
    Z = np.column_stack([np.ones(10), data.loc[rows, "days"]])
    covariance = sleep.sigma**2 * T @ np.linalg.inv(T.T @ Z.T @ Z @ T + np.eye(2)) @ T.T
    matrices = sleep.condvar()["subj"]
    assert_allclose(matrices.of("S309"), covariance, rtol=1e-6)
    assert_allclose(matrices.to_frame().loc["S309"], covariance, rtol=1e-6)
    errors = np.sqrt(np.diag(covariance))
    wide = sleep.ranef(se=True)["subj"].loc["S309"]
    assert_allclose(wide[["Intercept_std_error", "days_std_error"]], errors, rtol=1e-6)
    long = sleep.ranef(form="long", level=0.9)
    assert list(long.columns) == [
        *("group", "level", "term", "estimate", "std_error", "lower", "upper")
    ]
    part = long[long["level"] == "S309"]
    assert part["term"].tolist() == ["Intercept", "days"]
    assert_allclose(part["std_error"], errors, rtol=1e-6)
    assert_allclose(part["upper"], sleep.ranef()["subj"].loc["S309"] + 1.6448536 * errors)


def test_modes_of_nested_factors(pastes):
    long = pastes.ranef(form="long")
    assert long["group"].unique().tolist() == ["batch & cask", "batch"]
    assert len(long) == 40
    assert ("A", "a") in long["level"].tolist()
    matrices = pastes.condvar()["batch & cask"]
    assert matrices.shape == (30, 1, 1)
    assert list(matrices.to_frame().index.names) == ["batch", "cask", "term"]
    assert matrices.of(("A", "a")).shape == (1, 1)


def test_what_is_taken_from_labelled_matrices_is_plain(sleep):
    matrices = sleep.condvar()["subj"]
    for plain in (matrices[0], matrices + 1, np.sqrt(matrices[:, 0, 0]), matrices.mean(axis=0)):
        assert type(plain) is np.ndarray
    with pytest.raises(OptionError, match="no level 'S1'"):
        matrices.of("S1")
    with pytest.raises(OptionError, match="leave uscale= out"):
        sleep.ranef(uscale=True, se=True)
    with pytest.raises(OptionError, match="'wide' or 'long'"):
        sleep.ranef(form="tall")


def test_coefficients_by_level(sleep):
    table = sleep.coef_by_group()["subj"]
    assert_allclose(table, sleep.ranef()["subj"] + sleep.params)
    slopes = smf.mixedlm2("reaction ~ 1 + (0 + days | subj)", datasets.load("sleepstudy")).fit()
    table = slopes.coef_by_group()["subj"]
    assert list(table.columns) == ["Intercept", "days"]
    assert (table["Intercept"] == slopes.params["Intercept"]).all()
    assert_allclose(table["days"], slopes.ranef()["subj"]["days"])


# Tables


def test_coefficient_table_with_limits(sleep, contra):
    table = sleep.coeftable(level=0.9)
    assert list(table.columns[-2:]) == ["Lower 90%", "Upper 90%"]
    assert_allclose(table.iloc[:, -2:], sleep.conf_int(0.1))
    odds = contra.coeftable(level=0.95, exponentiate=True)
    assert_allclose(odds.iloc[:, -2:], np.exp(contra.conf_int()))
    with pytest.raises(OptionError, match="between 0 and 1"):
        sleep.coeftable(level=95)
    with pytest.raises(OptionError, match="exponentiate=True by name"):
        contra.coeftable(True)


def test_variance_components_in_latex(sleep):
    latex = sleep.varcorr.to_latex()
    assert latex.startswith("\\begin{tabular}") and "+0.08" in latex and "23.78057" in latex
