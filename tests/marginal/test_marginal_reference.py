"""Marginal means, contrasts and trends against the R package emmeans."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from reference import load

from statsmodels_mixed import datasets, mixedglm2, mixedlm2
from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.marginal.adjustment import Family

REFERENCE = load("emmeans")
RECORDS = {record["id"]: record for record in REFERENCE["records"]}
BINOMIAL, POISSON = sm.families.Binomial(), sm.families.Poisson()
# Parts of an element, in the order of R's columns.
OURS = {"lower.CL": "lower", "upper.CL": "upper", "asymp.LCL": "lower", "asymp.UCL": "upper"}


def sleepstudy():
    data = datasets.load("sleepstudy").rename(columns=str.capitalize)
    days = data["Days"].astype(str)
    return data.assign(fDays=pd.Categorical(days))


def oats():
    data = pd.DataFrame(REFERENCE["oats"])
    varieties = ["Golden Rain", "Marvellous", "Victory"]
    return data.assign(
        fN=pd.Categorical(data["nitro"].map("{:.15g}".format)),
        Variety=pd.Categorical(data["Variety"], varieties),
    )


def part_of_oats():
    left_out = np.array([1, 2, 3, 5, 8, 13, 21, 34, 55]) - 1
    return oats().drop(index=left_out)


def cbpp():
    data = datasets.load("cbpp")
    return data.assign(p=data["incid"] / data["hsz"])


# By the beginning of the identifier: formula, data, options of the model.
MODELS = {
    "sleep_slope": ("Reaction ~ Days + (Days | Subj)", sleepstudy, {}),
    "sleep": ("Reaction ~ fDays + (1 | Subj)", sleepstudy, {}),
    "cake_adj": ("angle ~ recipe + temp + (1 | recipe:replicate)", "cake", {}),
    "cake": ("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake", {}),
    "machines": ("score ~ machine + (machine | worker)", "machines", {}),
    "oats_unbalanced": ("yield ~ fN + Variety + (1 | Block/Variety)", part_of_oats, {}),
    "oats": ("yield ~ fN * Variety + (1 | Block/Variety)", oats, {}),
    "orthodont": ("distance ~ age * sex + (age | subject)", "orthodont", {}),
    "cbpp": ("p ~ period + (1 | herd)", cbpp, {"family": BINOMIAL, "weights": "hsz"}),
    "grouse": (
        "ticks ~ year + (1 | brood) + (1 | index) + (1 | location)",
        "grouseticks",
        {"family": POISSON},
    ),
    "verbagg": (
        "r2 ~ btype * situ + gender + (1 | subj) + (1 | item)",
        "verbagg",
        {"family": BINOMIAL},
    ),
}
SPECS = {"fDays": "fDays", "Days": "Days", "Machine": "machine", "Sex": "sex", "YEAR": "year"}


@cache
def fitted(name, dof):
    formula, data, options = MODELS[name]
    table = datasets.load(data) if isinstance(data, str) else data()
    if "family" in options:
        return mixedglm2(formula, table, **options).fit(cov_type="hessian")
    return mixedlm2(formula, table).fit(reml=True, dof=dof, ftol_abs=1e-12)


def fit_of(record):
    start = record["id"].partition("/")[2]
    name = next(name for name in MODELS if start.startswith(name))
    usual = "satterthwaite" if "emtrends" in start else "kenward-roger"
    dof = record.get("df_method") or usual
    return fitted(name, None if dof == "asymptotic" else dof)


def means_of(record):
    """The marginal means that a record is of, or that its contrasts are of."""
    call = record["call"].replace(" ", "")
    spec = call.partition("~")[2].partition(",")[0].partition(")")[0]
    spec = " | ".join(SPECS.get(name, name) for name in spec.split("|"))
    fit = fit_of(record)
    if "emtrends" in call:
        return fit.emtrends(spec, "age")
    options = {"type": record.get("type") or "link"}
    if "bias.adjust" in call:
        options = {"type": "response", "bias_adjust": True}
    if "at=" in call:
        options["at"] = {"Days": [0, 4.5, 9]}
    if "proportional" in call:
        options["weights"] = "proportional"
    return fit.emmeans(spec, **options)


def contrasts_of(record):
    call = record["call"]
    means = means_of(record)
    if "interaction" in call:
        return means.contrasts(["pairwise", "poly"], max_degree=2)
    if "contrast" not in call:
        return means
    adjust = None if record.get("adjust") == "default" else record.get("adjust")
    method = call.rpartition(", '")[2].strip("')")
    return means.contrasts(method, adjust=adjust)


NAMES = [name for name in RECORDS if name.startswith("emmeans/")]


def column(table, *names):
    name = next(name for name in names if name in table)
    return np.array([np.nan if v is None else v for v in table[name]], dtype=float)


def closeness(name):
    """How far estimates may be, in standard errors, and standard errors relative to themselves."""
    if "verbagg" in name:
        return 2e-3, 3e-3  # glmer stops short by 1e-3, and its Hessian is a coarser difference
    if "cbpp" in name or "grouse" in name:
        return 1e-4, 1e-4  # lme4's Hessian is by finite differences
    return 1e-8, 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_estimates_and_standard_errors(name):
    record = RECORDS[name]
    table, found = record["table"], contrasts_of(record)
    errors = column(table, "SE")
    estimate = column(table, "emmean", "estimate", "odds.ratio", "ratio", "prob", "age.trend")
    close, same = closeness(name)
    assert_allclose(found.estimate / errors, estimate / errors, rtol=0, atol=close)
    assert_allclose(found.std_error, errors, rtol=same)
    df = column(table, "df")
    assert_allclose(found.df, np.where(np.isnan(df), np.inf, df), rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_tests_and_intervals(name):
    record = RECORDS[name]
    table, found = record["table"], contrasts_of(record)
    errors, (close, same) = column(table, "SE"), closeness(name)
    close = max(1e-6, 5 * close)
    for limit in ("lower", "upper"):
        names = [theirs for theirs, ours in OURS.items() if ours == limit]
        # R's qtukey stops at 1e-4.
        loose = max(close, 1e-3) if record.get("adjust") == "tukey" else close
        limits = getattr(found, limit)
        assert_allclose(limits / errors, column(table, *names) / errors, rtol=same, atol=loose)
    if "p.value" in table:
        # R's ptukey is off by as much for five degrees of freedom.
        tukey = record.get("adjust") == "tukey" and "machines" in name
        p = column(table, "p.value")
        assert_allclose(found.pvalue, p, rtol=0, atol=max(close, 2e-5) if tukey else close)
        ratio = column(table, "t.ratio", "z.ratio")
        assert_allclose(found.statistic, ratio, rtol=max(same, 1e-6), atol=close)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_rows(name):
    record = RECORDS[name]
    frame = contrasts_of(record).to_frame()
    for label, values in record["table"].items():
        if isinstance(values[0], str):
            ours = next(c for c in frame.columns if c.lower() == label.lower())
            assert [str(v).lower() for v in frame[ours]] == [v.lower() for v in values]


def test_difference_of_trends():
    record = RECORDS["emmeans/orthodont_emtrends/satterthwaite"]
    pairs, found = record["pairs"], means_of(record).contrasts("pairwise")
    for theirs, ours in {
        "estimate": "estimate",
        "SE": "std_error",
        "df": "df",
        "lower.CL": "lower",
        "upper.CL": "upper",
        "t.ratio": "statistic",
        "p.value": "pvalue",
    }.items():
        assert_allclose(getattr(found, ours), [pairs[theirs]], rtol=1e-5)


def test_studentized_range():
    grid = RECORDS["stats/ptukey_grid"]["table"]
    for q, means, df, p in zip(grid["q"], grid["nmeans"], grid["df"], grid["p"], strict=True):
        df = np.inf if df is None else df
        t = np.array([q, 0.1]) / np.sqrt(2)
        family = Family("tukey", int(means), 1, t, np.full(2, df), None)
        assert_allclose(family.pvalues()[0], p, rtol=0, atol=3e-5)


# Contrasts on the scale of the response: of logarithms of yields, lme4 1.1.31, lmerTest, and
# contrast(regrid(emmeans(fit, ~ Variety)), "pairwise") of emmeans 1.8.4.
REGRIDDED = {
    "estimate": [-4.2512222925983, 9.3795917318937, 13.6308140244921],
    "std_error": [6.2320571463060, 5.9552577637362, 6.0680047836129],
    "df": [7.9803124912161, 8.2175051053896, 7.9803124912161],
    "lower": [-22.068198031905, -7.543136430475, -3.717148530651],
    "upper": [13.565753446708, 26.302319894262, 30.978776579635],
    "pvalue": [0.78007485056571, 0.30859817280413, 0.12263436250733],
}


def test_means_on_the_scale_of_the_response():
    data = part_of_oats().rename(columns={"yield": "grain"})
    model = mixedlm2("np.log(grain) ~ fN + Variety + (1 | Block/Variety)", data)
    fit = model.fit(reml=True, dof="satterthwaite", ftol_abs=1e-12)
    means = fit.emmeans("Variety", type="response")
    found = means.regrid().contrasts().to_frame()
    for name, wanted in REGRIDDED.items():
        assert_allclose(found[name], wanted, rtol=2e-6)
    assert_allclose(means.regrid().estimate, means.estimate)
    assert_allclose(means.regrid().std_error, means.std_error)
    with pytest.raises(OptionError, match='ask for type="response"'):
        means.regrid().regrid()


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ("np.log(yield_ + 1)", "Means are back from the log(mu + 1) scale"),
        ("np.log(yield_)", "Means are back from the log scale"),
        ("np.sqrt(yield_ + 1)", "Means are of np.sqrt(yield_ + 1): its inverse is not known."),
    ],
)
def test_the_scale_is_named(response, said):
    """R's emmeans 1.8.4 calls them the log(mu + 1) and the log scale."""
    data = datasets.load("machines").rename(columns={"score": "yield_"})
    fit = mixedlm2(f"{response} ~ machine + (1 | worker)", data).fit()
    means = fit.emmeans("machine", type="response")
    assert said in str(means)
    plain = fit.emmeans("machine").estimate
    inverse = {"np.log(yield_ + 1)": np.expm1, "np.log(yield_)": np.exp}.get(response, np.array)
    assert_allclose(means.estimate, inverse(plain))


def test_offset_is_at_its_mean_however_it_is_written():
    """ref_grid() of emmeans 1.8.4: glmer(incidence ~ period + offset(log(size)) + (1 | herd))."""
    data = datasets.load("cbpp")
    data["hsz"] = data["hsz"].astype(float)
    fit = mixedglm2("incid ~ period + offset(np.log(hsz)) + (1 | herd)", data, POISSON).fit()
    zero = fit.emmeans("period", offset=0)
    assert_allclose(fit.emmeans("period").estimate - zero.estimate, 2.537878, atol=5e-7)
    assert_allclose(fit.emmeans("period", at={"hsz": 1}).estimate, zero.estimate)


def with_empty_cells():
    data = datasets.load("cake")
    cells = data["recipe"].astype(str) + data["temperature"].astype(str)
    return data[~cells.isin(["C225", "B175"])]


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.RankWarning")
def test_what_no_single_term_has_is_confounded():
    """joint_tests() of emmeans 1.8.4 after lmer() with Satterthwaite's method.

    R rounds F of the other rows before it takes their difference: 7.46025. Without rounding, by
    vcov() and fixef() of lme4 1.1.31 and QR of the same contrasts, it is 7.46042842.
    """
    formula = "angle ~ recipe * temperature + (1 | recipe:replicate)"
    fit = mixedlm2(formula, with_empty_cells()).fit(reml=True, dof="satterthwaite")
    table = fit.joint_tests()
    assert table["term"].tolist() == ["recipe", "temperature", "recipe:temperature", "(confounded)"]
    assert table["df_num"].tolist() == [0, 3, 8, 4]
    assert_allclose(table["df_denom"][1:], [181.87, 181.87, 74.94], atol=0.006)
    assert_allclose(table["statistic"][1:], [14.277, 1.073, 7.46042842], rtol=2e-4)
    assert_allclose(table["statistic"][3], 7.46042842, rtol=1e-6)
    assert_allclose(table["pvalue"][1:], [2.14554e-08, 0.3840779, 4.09875e-05], rtol=3e-4)
    for by, confounded in {"recipe": 0, "temperature": 0}.items():
        assert (fit.joint_tests(by)["term"] == "(confounded)").sum() == confounded
    # No difference between cells is left where terms are tested as wholes.
    additive = mixedlm2("angle ~ recipe + temperature + (1 | replicate)", with_empty_cells())
    assert "(confounded)" not in additive.fit().joint_tests()["term"].tolist()


def test_combinations_that_are_averaged_over():
    fit = mixedlm2("angle ~ recipe * temp + (1 | replicate)", with_empty_cells()).fit()
    at = {"temp": [175, 225]}
    table = fit.emmeans("1", at=at, weights="show.levels")
    # expand.grid() has the first factor varying fastest.
    assert table["recipe"].tolist() == ["A", "B", "C"] * 2
    assert table["temp"].tolist() == [175] * 3 + [225] * 3
    assert table["rows"].tolist() == [90, 75, 75] * 2
    numbers = fit.emmeans("temp", weights=[1.0, 0.0, 3.0], at=at).estimate
    cells = fit.emmeans("recipe * temp", at=at).to_frame().pivot(columns="recipe", index="temp")
    assert_allclose(numbers, cells["estimate"] @ [0.25, 0.0, 0.75])
    assert fit.emmeans("temp", at=at, weights="show.levels").columns.tolist() == ["recipe", "rows"]
    with pytest.raises(OptionError, match=r"weights= is one of .* not 'show.levels'"):
        fit.emtrends("recipe", "temp", weights="show.levels")
