"""Denominator degrees of freedom against lmerTest, pbkrtest, emmeans and dense matrices."""

from __future__ import annotations

import warnings
from dataclasses import replace
from decimal import Decimal, localcontext
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from patsy import Poly
from reference import load
from reference.lme4_names import MODELS, Model, column
from scipy.special import stdtr
from simulated import chained, crossed, nested, slopes
from small_models import fit, fit_shipped
from tolerances import INVARIANCE

from statsmodels_mixed import DataError, OptionError, SingularFitWarning, datasets
from statsmodels_mixed.comparison.hypotheses import term_hypotheses
from statsmodels_mixed.inference import FTest, coefficient_tests, denominators, f_test, varpar_cov
from statsmodels_mixed.standard_errors import kenward_roger_traces

# Degrees of freedom, F and p, relative to the published ones.
TEST = 1e-4
COVARIANCE = 1e-5

RECORDS = load("inference")
METHODS = {"satterthwaite": "satterthwaite", "kenward": "kenward-roger"}
OWN_MODELS = {
    "cake_additive": Model(
        "angle ~ recipe + temperature + (1 | recipe:replicate)",
        lambda: datasets.load("cake"),
        {"contrasts": {"temperature": Poly()}},
    )
}


def each(*types: str, having: str = "type") -> Any:
    records = [r for r in RECORDS if r["type"].startswith(types) and having in r]
    assert records
    names = [f"{r['id']}-{r['type']}-{r.get('df_method', '')}".strip("-") for r in records]
    return pytest.mark.parametrize("record", records, ids=names)


@cache
def fitted(name: str, method: str) -> Any:
    model = {**MODELS, **OWN_MODELS}[name.removesuffix("_ML")]
    return fit(model.formula, model.data(), model.options, reml=method == "REML")


def fit_of(record: dict[str, Any]) -> Any:
    return fitted(record["id"], record["method"])


@cache
def prepared(name: str, method: str, dof: str) -> Any:
    return denominators(fitted(name, method), dof)


def prepared_for(record: dict[str, Any]) -> Any:
    dof = record.get("df_method") or METHODS[record["type"].split("_")[0]]
    return prepared(record["id"], record["method"], dof)


def columns_of(table: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(table["columns"], zip(*table["rows"], strict=True), strict=True))


# Published numbers.


@each("satterthwaite_coef", "kenward_roger_coef")
def test_coefficients(record):
    result = fit_of(record)
    dof = METHODS[record["type"].split("_")[0]]
    ours = coefficient_tests(result, dof).loc[[column(name) for name in record["rownames"]]]
    theirs = columns_of(record)
    assert_allclose(ours["df"], theirs["df"], rtol=TEST)
    assert_allclose(ours["Std. Error"], theirs["Std. Error"], rtol=COVARIANCE)
    assert_allclose(ours["t"], theirs["t value"], rtol=TEST)
    assert_allclose(ours["Pr(>|t|)"], theirs["Pr(>|t|)"], rtol=TEST)


@each("satterthwaite_coef", having="vcov_varpar")
def test_covariance_of_theta_and_sigma(record):
    ours, theirs = varpar_cov(fit_of(record)).to_numpy(), np.array(record["vcov_varpar"])
    unit = np.sqrt(np.diag(theirs))
    assert_allclose((ours - theirs) / np.outer(unit, unit), 0, atol=TEST)


@each("kenward_roger_coef")
def test_adjusted_covariance(record):
    names = [fit_of(record).fixefnames.index(column(name)) for name in record["rownames"]]
    ours, theirs = prepared_for(record).covariance, np.array(record["vcovAdj"])
    unit = np.sqrt(np.diag(theirs))
    difference = (ours[np.ix_(names, names)] - theirs) / np.outer(unit, unit)
    assert_allclose(difference, 0, atol=2 * COVARIANCE)


@each("satterthwaite_anova", "kenward_roger_anova")
def test_terms(record):
    typ = {"I": 1, "II": 2, "III": 3}[record["type"].rpartition("type")[2]]
    hypotheses = term_hypotheses(fit_of(record), typ)
    assert [name for name, _ in hypotheses] == [column(name) for name in record["rownames"]]
    ours = [prepared_for(record).f_test(rows) for _, rows in hypotheses]
    theirs = columns_of(record)
    assert [test.df_num for test in ours] == list(theirs["NumDF"])
    assert_allclose([test.df_denom for test in ours], theirs["DenDF"], rtol=TEST)
    assert_allclose([test.statistic for test in ours], theirs["F value"], rtol=TEST)
    assert_allclose([test.pvalue for test in ours], theirs["Pr(>F)"], rtol=TEST)


@each("KRmodcomp")
def test_joint_test_of_kenward_and_roger(record):
    term = column(record["type"].partition("_")[2])
    rows = dict(term_hypotheses(fit_of(record), 3))[term]
    ours = f_test(fit_of(record), rows, dof="kenward-roger")
    theirs = record["stats"]
    assert ours.df_num == theirs["ndf"]
    assert_allclose(ours.df_denom, theirs["ddf"], rtol=TEST)
    assert_allclose(ours.statistic, theirs["Fstat"], rtol=TEST)
    assert_allclose(ours.scaling, theirs["F.scaling"], rtol=TEST)
    assert_allclose(ours.statistic / ours.scaling, theirs["FstatU"], rtol=TEST)
    assert_allclose(ours.pvalue, theirs["p.value"], rtol=TEST)


@each("SATmodcomp")
def test_joint_test_of_satterthwaite(record):
    rows = dict(term_hypotheses(fit_of(record), 3))["days"]
    ours = f_test(fit_of(record), rows)
    assert_allclose(
        [ours.statistic, ours.df_num, ours.df_denom, ours.pvalue], record["rows"][0], rtol=TEST
    )


@each("emmeans")
def test_means_and_their_differences(record):
    # The designs are balanced: a marginal mean is that of the rows of its level.
    result, method = fit_of(record), prepared_for(record)
    factor = record["spec"].removeprefix("~").lower()
    X = pd.DataFrame(result._results.kept_design().X).groupby(
        np.asarray(result.model.frame.table[factor]), observed=True
    )
    means = X.mean()
    assert list(means.index) == [row[0] for row in record["rows"]]
    differences = [means.loc[a] - means.loc[b] for a, b in (("A", "B"), ("A", "C"), ("B", "C"))]
    for contrasts, table in ((means, record), (np.array(differences), record["pairs"])):
        rows = np.asarray(contrasts)
        theirs = columns_of(table)
        errors = np.sqrt(np.einsum("ij,jk,ik->i", rows, method.covariance, rows))
        assert_allclose(method.df(rows), theirs["df"], rtol=TEST)
        assert_allclose(errors, theirs["SE"], rtol=COVARIANCE)
        if "p.value" in theirs:
            t = np.array(theirs["t.ratio"])
            assert_allclose(rows @ method.beta / errors, t, rtol=TEST, atol=1e-7)
            p = 2 * stdtr(method.df(rows), -np.abs(rows @ method.beta / errors))
            assert_allclose(p, theirs["p.value"], rtol=TEST)


# Kenward and Roger's method with n x n matrices, straight from their paper.


def kenward_roger(result: Any, L: np.ndarray, exact: bool = False) -> SimpleNamespace:
    """Of a fit, for the joint hypothesis L; in numbers of sixty digits if `exact`."""
    design, estimates = result._results.kept_design(), result.estimates
    number, inverse_of = (decimals, decimal_inverse) if exact else (np.asarray, np.linalg.inv)
    n = len(design.y)
    W = np.eye(n) if design.weights is None else np.diag(1 / design.weights)
    W, X, L = number(W), number(design.X[:, estimates.columns]), number(L)
    V, G = W.copy(), []
    for block, T in zip(design.blocks, estimates.factors, strict=True):
        Z = np.zeros((n, len(block.levels), len(block.names)))
        Z[np.arange(n), block.refs] = block.z
        Z, Sigma = number(Z), number(T) @ number(T).T
        for r, s in zip(*np.tril_indices(len(T)), strict=True):
            if np.any(block.pattern[r] & block.pattern[s]):
                one = Z[:, :, r] @ Z[:, :, s].T
                G.append(one if r == s else one + one.T)
                V += Sigma[r, s] * G[-1]
    if not estimates.sigma_fixed:
        G.append(W)
    inverse = inverse_of(number(estimates.sigma**2) * V)
    Phi = inverse_of(X.T @ inverse @ X)
    IG = [inverse @ g for g in G]
    IX = inverse @ X
    P = [-IX.T @ g @ IX for g in G]
    Q = [[IX.T @ g @ (h @ IX) for h in IG] for g in G]
    m = range(len(G))
    information = np.array(
        [
            [
                np.sum(IG[i] * IG[j].T)
                - 2 * np.trace(Phi @ Q[i][j])
                + np.trace(Phi @ P[i] @ Phi @ P[j])
                for j in m
            ]
            for i in m
        ]
    )
    A = 2 * inverse_of(information)
    U = sum(A[i, j] * (Q[i][j] - P[i] @ Phi @ P[j]) for i in m for j in m)
    adjusted = Phi + 2 * Phi @ U @ Phi
    q = len(L)
    Theta = L.T @ inverse_of(L @ Phi @ L.T) @ L
    u = [Theta @ Phi @ p @ Phi for p in P]
    a1 = sum(A[i, j] * np.trace(u[i]) * np.trace(u[j]) for i in m for j in m)
    a2 = sum(A[i, j] * np.trace(u[i] @ u[j]) for i in m for j in m)
    b = (a1 + 6 * a2) / (2 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    c = np.array([g, q - g, q + 2 - g]) / (3 * q + 2 * (1 - g))
    mean = 1 / (1 - a2 / q)
    variance = 2 * (1 + c[0] * b) / ((1 - c[1] * b) ** 2 * (1 - c[2] * b)) / q
    rho = variance / (2 * mean**2)
    df = 4 + (q + 2) / (q * rho - 1)
    found = SimpleNamespace(covariance=adjusted, df=df, scaling=df / (mean * (df - 2)))
    return SimpleNamespace(**{k: np.asarray(v, dtype=float) for k, v in vars(found).items()})


def decimals(values: Any) -> Any:
    """Numbers of sixty digits in place of doubles."""
    return np.vectorize(Decimal, otypes=[object])(np.asarray(values, dtype=float))


def decimal_inverse(matrix: np.ndarray) -> np.ndarray:
    """By Gauss's and Jordan's elimination, of a positive definite matrix."""
    n = len(matrix)
    both = np.hstack([matrix, decimals(np.eye(n))])
    for i in range(n):
        both[i] /= both[i, i]
        for j in [*range(i), *range(i + 1, n)]:
            both[j] -= both[j, i] * both[i]
    return both[:, n:]


def _weighted() -> pd.DataFrame:
    frame = crossed(240, 15, 10)
    random = np.random.default_rng(1)
    levels = random.integers(0, 3, len(frame))
    return frame.assign(
        f=pd.Categorical(np.array(["a", "b", "c"])[levels]),
        k=random.integers(0, 6, len(frame)),
        w=1 + random.random(len(frame)),
    )


DENSE = {
    "scalar": ("y ~ x + f + (1 | g) + (1 | h)", _weighted, {"weights": "w"}, {}),
    "vector": ("y ~ x + f + (1 + x | g) + (1 + f | h)", _weighted, {"weights": "w"}, {}),
    "diagonal": ("y ~ x + f + (1 + x || g) + (1 | h) + (1 | k)", _weighted, {}, {}),
    "three": ("y ~ x + f + zerocorr(1 + f | h) + (1 + x | g) + (1 | k)", _weighted, {}, {}),
    "nested": ("y ~ x + (1 + x | g) + (1 | h)", lambda: nested(240, 10, 40), {}, {}),
    "inner": ("y ~ x + (1 | g) + (1 + x | h)", lambda: nested(240, 10, 40), {}, {}),
    "chained": ("y ~ x + (1 | g) + (1 | h)", lambda: chained(240, 30, 40), {}, {}),
    "fixed sigma": ("y ~ x + (1 + x | g)", lambda: slopes(120, 12), {}, {"sigma": 1.0}),
}


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("small", [False, True], ids=["one bundle", "small bundles"])
def test_kenward_roger_as_by_dense_matrices(name, small, monkeypatch):
    if small:
        monkeypatch.setattr(kenward_roger_traces, "BUNDLE_TAIL", 3)
        monkeypatch.setattr(kenward_roger_traces, "BUNDLE_HEAD", 4)
        monkeypatch.setattr(kenward_roger_traces, "CHUNK", 20)
    formula, data, options, how = DENSE[name]
    result = fit(formula, data(), options, reml=True, **how)
    rows = np.eye(len(result.params))[1:]
    ours, theirs = denominators(result, "kenward-roger"), kenward_roger(result, rows)
    assert_allclose(ours.covariance, theirs.covariance, rtol=1e-8)
    test = ours.f_test(rows)
    assert_allclose([test.df_denom, test.scaling], [theirs.df, theirs.scaling], rtol=1e-8)


SMALL = {
    "slopes": "y ~ x + (x | g) + (x | h)",
    "of one": "y ~ x + (x | g) + (1 | h)",
    "two factors": "y ~ x + (1 | g) + (1 | h)",
    "one factor": "y ~ x + (x | g)",
    "a variance of zero": "y ~ x + (x || g) + (1 | h)",
    "a correlation of one": "y ~ x + (x | g) + (1 | h)",
    "an intercept without variance": "y ~ x + (x | g) + (1 | h)",
}


@pytest.mark.parametrize("share", [1e-3, 1e-5])
@pytest.mark.parametrize("kind", SMALL)
def test_kenward_roger_beside_small_residuals(kind, share):
    """Differences of sums gave 43.4 degrees of freedom for 17.7 at 1e-4, and did not say so."""
    if kind == "a correlation of one":
        share = max(share, 1e-3)  # with smaller residuals the fit is told not to converge
    with localcontext(prec=60):
        random, n = np.random.default_rng(1), 36
        g, h, x = np.arange(n) % 6, np.arange(n) // 6, random.normal(size=n)
        b, c = random.normal(size=(6, 2)), random.normal(size=(6, 2))
        if kind == "a variance of zero":
            b[:, 1] = 0.0
        if kind == "a correlation of one":
            b[:, 1] = -0.5 * b[:, 0]
        if kind == "an intercept without variance":
            b[:, 0] = 0.0
        if kind != "slopes":
            c[:, 1] = 0.0
        y = 1 + x + b[g, 0] + (b[g, 1] + c[h, 1]) * x + c[h, 0] + share * random.normal(size=n)
        if kind == "two factors":
            y = y - b[g, 1] * x
        if kind == "one factor":
            y = y - c[h, 0]
        data = pd.DataFrame({"y": y, "x": x, "g": g, "h": h})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            result = fit(SMALL[kind], data, {}, reml=True)
        ours = denominators(result, "kenward-roger")
        for rows in (np.eye(2)[1:], np.eye(2)):
            theirs = kenward_roger(result, rows, exact=True)
            sizes = np.sqrt(np.diag(theirs.covariance))
            off = (ours.covariance - theirs.covariance) / np.outer(sizes, sizes)
            assert_allclose(off, 0.0, atol=1e-6)
            test = ours.f_test(rows)
            assert_allclose([test.df_denom, test.scaling], [theirs.df, theirs.scaling], rtol=1e-6)


# Known answers.


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_balanced_one_way_design(dof):
    # The mean of a balanced design has the degrees of freedom of its groups, here 6 - 1.
    table = coefficient_tests(fit_shipped("dyestuff", reml=True), dof)
    assert_allclose(table["df"], 5, rtol=INVARIANCE)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_hundred_thousand_rows(dof):
    random = np.random.default_rng(5)
    groups = np.repeat(np.arange(2000), 50)
    y = random.standard_normal(2000)[groups] + random.standard_normal(len(groups))
    result = fit("y ~ 1 + (1 | g)", pd.DataFrame({"y": y, "g": groups}), reml=True)
    assert_allclose(coefficient_tests(result, dof)["df"], 1999, rtol=1e-5)


def test_satterthwaite_when_the_variance_is_zero():
    # As if the groups were not there: n - 1.
    result = fit("yield ~ 1 + (1 | batch)", datasets.load("dyestuff2"), reml=True)
    assert result.issingular()
    assert_allclose(coefficient_tests(result)["df"], 29, rtol=INVARIANCE)


def test_satterthwaite_with_one_variance_zero_of_two():
    data = datasets.load("sleepstudy").assign(other=lambda frame: np.arange(len(frame)) % 7)
    alone = fit("reaction ~ days + (1 | subj)", data, reml=True)
    both = fit("reaction ~ days + (1 | subj) + (1 | other)", data, reml=True)
    assert both.issingular()
    ours, theirs = coefficient_tests(both), coefficient_tests(alone)
    assert_allclose(ours["df"], theirs["df"], rtol=INVARIANCE)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_known_sigma(dof):
    # The variance of the mean is that of the means of 18 subjects, over 18, all the same.
    result = fit("reaction ~ 1 + (1 | subj)", datasets.load("sleepstudy"), reml=True, sigma=40.0)
    assert_allclose(coefficient_tests(result, dof)["df"], 17, rtol=INVARIANCE)
    if dof == "satterthwaite":
        assert list(varpar_cov(result).columns) == ["subj.Intercept"]


def test_units_of_the_response_do_not_matter():
    data = datasets.load("machines")
    formula = "{} ~ machine + (1 + machine | worker)"
    one = fit(formula.format("score"), data, reml=True)
    other = fit(formula.format("s"), data.assign(s=1e6 * data["score"] + 1e7), reml=True)
    for dof in ("satterthwaite", "kenward-roger"):
        a, b = (f_test(result, np.eye(3)[1:], dof=dof) for result in (one, other))
        assert_allclose([a.statistic, a.df_denom], [b.statistic, b.df_denom], rtol=1e-5)


@pytest.mark.slow
def test_level_of_the_tests_in_a_small_sample():
    # Seven groups of unequal size and a covariate of the groups: at a nominal 5 % the normal
    # distribution rejects a true hypothesis far too often.
    random, replicates = np.random.default_rng(11), 2000
    groups = np.repeat(np.arange(7), [3, 4, 5, 6, 8, 10, 12])
    data = pd.DataFrame({"g": groups, "x": np.arange(7.0)[groups], "y": 0.0})
    rejected = dict.fromkeys(("satterthwaite", "kenward-roger", None), 0)
    for _ in range(replicates):
        data["y"] = random.standard_normal(7)[groups] + random.standard_normal(len(groups))
        result = fit("y ~ x + (1 | g)", data, reml=True)
        for dof in rejected:
            rejected[dof] += f_test(result, [0.0, 1.0], dof=dof).pvalue < 0.05
    error = np.sqrt(0.05 * 0.95 / replicates)
    assert rejected[None] / replicates > 0.08
    for dof in ("satterthwaite", "kenward-roger"):
        assert abs(rejected[dof] / replicates - 0.05) < 3 * error


# What a test is.


@pytest.fixture(scope="module")
def machines() -> Any:
    return fit_shipped("machines", reml=True)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger", "residual", None])
def test_single_contrast_is_the_square_of_t(machines, dof):
    method, contrast = denominators(machines, dof), np.array([0.0, 1.0, -1.0])
    test = method.f_test(contrast, 2.0)
    t = (contrast @ method.beta - 2.0) / np.sqrt(contrast @ method.covariance @ contrast)
    assert_allclose(test.statistic, t**2)
    assert_allclose(test.df_denom, method.df(contrast)[0])
    assert (test.df_num, test.scaling) == (1, pytest.approx(1))


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger", "residual", None])
def test_values_must_go_with_dependent_rows(machines, dof):
    rows = np.array([[0, 1, 0], [0, 1, 1], [0, 0, 2.0]])
    possible = f_test(machines, rows, value=[1.0, 4.0, 6.0], dof=dof)
    assert_allclose(possible.pvalue, f_test(machines, rows[:2], value=[1, 4], dof=dof).pvalue)
    with pytest.raises(OptionError, match="contradict"):
        f_test(machines, rows, value=[1.0, 4.0, 5.0], dof=dof)
    with pytest.raises(OptionError, match="contradict"):
        f_test(machines, [[0, 1, 0], [0, 0, 0]], value=[1.0, 1.0], dof=dof)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_dependent_rows_are_not_counted(machines, dof):
    method = denominators(machines, dof)
    once = method.f_test(np.eye(3)[1:])
    again = method.f_test([[0, 1, 0], [0, 0, 1], [0, 1, -1], [0, 0, 0]])
    assert again.df_num == 2
    assert_allclose(again.statistic, once.statistic)
    if dof != "satterthwaite":  # whose joint test depends on how the hypothesis is written
        assert_allclose(again.df_denom, once.df_denom)


def test_kenward_roger_does_not_depend_on_how_a_hypothesis_is_written(machines):
    method = denominators(machines, "kenward-roger")
    one, other = method.f_test(np.eye(3)[1:]), method.f_test([[0, 3, 1], [0, -2, 1]])
    assert_allclose([one.statistic, one.df_denom], [other.statistic, other.df_denom])


def test_residual_and_infinite_degrees_of_freedom(machines):
    table = coefficient_tests(machines, "residual")
    assert set(table["df"]) == {machines.df_resid}
    table = coefficient_tests(machines, None)
    assert np.isinf(table["df"]).all()
    assert_allclose(table["Pr(>|t|)"], machines.pvalues)
    test = f_test(machines, np.eye(3)[1:], dof=None)
    wald = machines.wald_test(np.eye(3)[1:], scalar=True)
    assert_allclose([test.statistic * 2, test.pvalue], [wald.statistic, wald.pvalue])


def test_dropped_columns_have_no_test():
    data = datasets.load("sleepstudy").assign(twice=lambda frame: 2 * frame["days"])
    with pytest.warns(UserWarning, match="rank deficient"):
        result = smf.mixedlm2("reaction ~ days + twice + (1 | subj)", data).fit(reml=True)
    table = coefficient_tests(result)
    assert table.loc["twice"].isna().all()
    assert_allclose(table.loc["days", "df"], 161, rtol=INVARIANCE)


def test_covariance_of_theta_and_sigma_for_any_standard_errors(machines):
    clusters = {"groups": "worker", "kind": "CR2"}
    robust = machines.with_inference(dof="satterthwaite", cov_type="cluster", cov_kwds=clusters)
    assert_allclose(varpar_cov(robust), varpar_cov(machines), rtol=1e-10)


# Refusals.


def test_refusals(machines):
    with pytest.raises(OptionError, match="None, 'residual', 'satterthwaite', 'kenward-roger'"):
        denominators(machines, "kr")
    with pytest.raises(OptionError, match="3 estimable coefficients"):
        f_test(machines, [1.0, 0.0])
    with pytest.raises(OptionError, match="zero"):
        f_test(machines, np.zeros((2, 3)))
    with pytest.raises(OptionError, match="each of the 2 contrasts"):
        f_test(machines, np.eye(3)[1:], value=[1.0, 2.0, 3.0])
    with pytest.raises(OptionError, match="reml=True"):
        denominators(fit_shipped("machines"), "kenward-roger")
    with pytest.raises(OptionError, match="RegressionResults"):
        denominators(smf.ols("score ~ machine", datasets.load("machines")).fit())


def test_generalized_models_have_only_asymptotic_tests():
    family = sm.families.Binomial()
    result = smf.mixedglm2("use ~ age + (1 | dist)", datasets.load("contra"), family).fit()
    with pytest.raises(OptionError, match="only dof=None"):
        denominators(result, "satterthwaite")
    assert_allclose(coefficient_tests(result, None)["Pr(>|t|)"], result.pvalues)


def test_too_many_dependent_effects(monkeypatch):
    monkeypatch.setattr(kenward_roger_traces, "LARGEST_TAIL", 5)
    result = fit_shipped("penicillin", reml=True)
    with pytest.raises(OptionError, match=r"6 random effects of 'sample' .* use dof='satterth"):
        denominators(result, "kenward-roger")


def test_data_are_needed():
    result = fit_shipped("sleepstudy", reml=True)
    result.remove_data()
    with pytest.raises(DataError, match="removed"):
        denominators(result)
    assert np.isinf(denominators(result, None).df([0.0, 1.0]))


def test_an_f_test_is_plain_values(machines):
    test = f_test(machines, np.eye(3)[1:])
    assert isinstance(test, FTest)
    assert all(isinstance(value, int | float) for value in vars(test).values())


def test_a_variance_that_an_adjustment_makes_negative_has_no_error_and_no_test():
    # Kenward and Roger's may, beside a variance of zero and weights twelve orders apart.
    reml = fit_shipped("sleepstudy", reml=True)
    tests = denominators(reml, "kenward-roger")
    changed = replace(tests, covariance=np.diag([-9.0, 4.0]), on_basis=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_allclose(changed.errors(np.eye(2)), [np.nan, 2.0])
        assert np.isnan(changed.f_test(np.eye(2)).pvalue)
        seen = reml._results._referring_to(replace(reml.reference, tests=changed, errors="other"))
        assert_allclose(seen.bse, [np.nan, 2.0])
        assert seen.cov_params()[0, 0] == -9.0  # it is not said to be out of range
