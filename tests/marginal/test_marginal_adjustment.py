"""Contrasts by name, and adjustments for several of them, against tables and closed forms."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.stats.multitest import multipletests

from statsmodels_mixed import OptionError, datasets, mixedlm2
from statsmodels_mixed.marginal.adjustment import Family, adjustment_named
from statsmodels_mixed.marginal.contrast_matrices import contrast_matrix
from statsmodels_mixed.marginal.multivariate_t import exceedance, one_factor, quantiles


def correlation_of(contrasts):
    covariance = contrasts @ contrasts.T
    size = np.sqrt(np.diag(covariance))
    return covariance / np.outer(size, size)


def equal(m, r=0.5):
    return np.where(np.eye(m, dtype=bool), 1.0, r)


# Dunnett (1964), Biometrics 20, table II: two-sided limits at 5 % for m treatments and a control.
DUNNETT = [
    (5, 2, 3.03),
    (5, 3, 3.29),
    (10, 2, 2.57),
    (10, 3, 2.76),
    (20, 2, 2.38),
    (20, 4, 2.65),
    (60, 5, 2.58),
    (np.inf, 2, 2.21),
    (np.inf, 4, 2.44),
    (np.inf, 9, 2.69),
]


@pytest.mark.parametrize(("df", "m", "limit"), DUNNETT)
def test_published_limits_of_dunnett(df, m, limit):
    assert_allclose(quantiles(0.95, equal(m))(df), limit, atol=0.006)


@pytest.mark.parametrize("df", [2.5, 12.0, np.inf])
@pytest.mark.parametrize("means", [3, 4, 6])
def test_all_pairs_have_the_studentized_range(df, means):
    pairs = np.array(
        [np.eye(means)[i] - np.eye(means)[j] for i, j in combinations(range(means), 2)]
    )
    t = np.linspace(0.5, 5, len(pairs))
    found = exceedance(t, np.full(len(pairs), df), correlation_of(pairs))
    expected = stats.studentized_range.sf(np.sqrt(2) * t, means, df)
    assert_allclose(found, expected, rtol=0, atol=1e-10 if means == 3 else 5e-5)


@pytest.mark.parametrize("df", [3.0, 30.0, np.inf])
def test_independent_normals(df):
    t = np.array([0.5, 2.0, 3.5])
    found = exceedance(t, np.full(3, df), np.eye(3))
    if np.isinf(df):
        assert_allclose(found, 1 - (1 - 2 * stats.norm.sf(t)) ** 3, atol=1e-12)
    else:
        rng = np.random.default_rng(2)
        draws = np.abs(rng.normal(size=(400_000, 3))).max(axis=1)
        draws /= np.sqrt(rng.chisquare(df, 400_000) / df)
        assert_allclose(found, [(draws > c).mean() for c in t], atol=3e-3)


def test_two_statistics_against_the_bivariate_normal():
    r = -0.6
    both = stats.multivariate_normal(cov=[[1, r], [r, 1]])
    inside = both.cdf([2.1, 2.1], lower_limit=[-2.1, -2.1])
    found = exceedance(np.array([2.1, 1.0]), np.full(2, np.inf), equal(2, r))
    assert_allclose(found[0], 1 - inside, atol=1e-7)


def test_one_factor_is_recognized():
    loadings = np.array([0.3, -0.8, 0.5, 0.9])
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    found = one_factor(correlation)
    assert_allclose(np.abs(found), np.abs(loadings))
    assert_allclose(np.outer(found, found), np.outer(loadings, loadings))
    correlation[0, 1] = correlation[1, 0] = 0.4
    assert one_factor(correlation) is None


def test_both_ways_to_integrate_agree(monkeypatch):
    t, df = np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 9.5)
    exact = exceedance(t, df, equal(4))
    monkeypatch.setattr("statsmodels_mixed.marginal.multivariate_t.one_factor", lambda r: None)
    assert_allclose(exceedance(t, df, equal(4)), exact, rtol=0, atol=3e-5)


def family(adjust, t, df=20.0, means=4, rank=3, correlation=None):
    t = np.asarray(t, dtype=float)
    return Family(adjust, means, rank, t, np.full(len(t), df), lambda: correlation)


T = [0.3, 2.1, -2.8, 4.0]


@pytest.mark.parametrize(
    ("adjust", "method"),
    [
        ("bonferroni", "bonferroni"),
        ("holm", "holm"),
        ("hochberg", "simes-hochberg"),
        ("hommel", "hommel"),
        ("fdr", "fdr_bh"),
        ("by", "fdr_by"),
        ("sidak", "sidak"),
    ],
)
def test_those_that_statsmodels_has(adjust, method):
    raw = 2 * stats.t.sf(np.abs(T), 20)
    found = family(adjust, T)
    assert_allclose(found.pvalues(), multipletests(raw, method=method)[1], rtol=1e-10)
    tests = 1 - 0.95 ** (1 / 4) if adjust == "sidak" else 0.05 / 4
    assert_allclose(found.critical(0.95), stats.t.isf(tests / 2, 20))


def test_scheffe():
    found = family("scheffe", T)
    assert_allclose(found.pvalues(), stats.f.sf(np.square(T) / 3, 3, 20))
    assert_allclose(found.critical(0.95), np.sqrt(3 * stats.f.ppf(0.95, 3, 20)))
    normal = family("scheffe", T, df=np.inf)
    assert_allclose(normal.pvalues(), stats.chi2.sf(np.square(T), 3))
    assert_allclose(normal.critical(0.95), np.sqrt(stats.chi2.ppf(0.95, 3)))


@pytest.mark.parametrize("adjust", ["tukey", "dunnett", "mvt", "dunnettx", "scheffe", "sidak"])
@pytest.mark.parametrize("df", [4.4, np.inf])
def test_intervals_and_tests_agree(adjust, df):
    # At the limit of the interval the p-value is 1 - level.
    correlation = equal(4)
    limit = family(adjust, T, df, correlation=correlation).critical(0.9)[0]
    p = family(adjust, [limit, *T[1:]], df, correlation=correlation).pvalues()[0]
    assert_allclose(p, 0.1, rtol=1e-6)


def test_limits_of_dunnett_as_r_has_it_are_close_to_his():
    close = family("dunnettx", T, correlation=equal(4)).critical(0.95)
    assert_allclose(close, family("dunnett", T, correlation=equal(4)).critical(0.95), rtol=0.01)


def test_many_degrees_of_freedom_are_interpolated():
    df = np.geomspace(15.0, 80.0, 40)
    many = Family("tukey", 5, 4, np.ones(40), df, lambda: None).critical(0.95)
    for i in (0, 13, 39):
        expected = stats.studentized_range.ppf(0.95, 5, df[i]) / np.sqrt(2)
        assert_allclose(many[i], expected, rtol=1e-6)


def test_missing_statistics_have_no_part():
    some = family("holm", [*T[:2], np.nan, *T[2:]])
    assert_allclose(np.delete(some.pvalues(), 2), family("holm", T).pvalues())
    assert np.isnan(some.pvalues()[2]) and np.isnan(some.critical(0.95)[2])


def test_a_single_test_is_not_adjusted():
    for adjust in ("tukey", "mvt", "scheffe", "bonferroni"):
        assert_allclose(family(adjust, [2.0]).pvalues(), 2 * stats.t.sf(2.0, 20))


def test_names_of_adjustments():
    assert adjustment_named(None) == "none"
    assert adjustment_named("Bonf") == "bonferroni"
    assert adjustment_named("BH") == adjustment_named("fdr_bh") == "fdr"
    with pytest.raises(OptionError, match="adjust= is one of none, tukey"):
        adjustment_named("ho")


def test_too_many_contrasts_are_refused():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"f": np.tile([f"l{i}" for i in range(400)], 2), "g": np.arange(800) // 40})
    data["y"] = rng.normal(size=800) + rng.normal(size=20)[data["g"]]
    means = mixedlm2("y ~ f + (1 | g)", data).fit().emmeans("f")
    assert len(means.contrasts("consec", adjust="none")) == 399
    with pytest.raises(OptionError, match="79800 contrasts of 400 means are too many"):
        means.contrasts("pairwise")


def test_far_tails_are_not_zero():
    tiny = family("tukey", [40.0, 1.0], means=3)
    assert 0 < tiny.pvalues()[0] <= 3 * 2 * stats.t.sf(40.0, 20)


# Contrasts by name.


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (3, [[-1, 0, 1], [1, -2, 1]]),
        (4, [[-3, -1, 1, 3], [1, -1, -1, 1], [-1, 3, -3, 1]]),
        (5, [[-2, -1, 0, 1, 2], [2, -1, -2, -1, 2], [-1, 2, 0, -2, 1], [1, -4, 6, -4, 1]]),
        (6, [[-5, -3, -1, 1, 3, 5], [5, -1, -4, -4, -1, 5], [-5, 7, 4, -4, -7, 5]]),
    ],
)
def test_orthogonal_polynomials_are_those_of_the_tables(k, expected):
    # Fisher and Yates, Statistical Tables, table XXIII.
    found = contrast_matrix("poly", [str(i) for i in range(k)])
    assert found.matrix[: len(expected)].tolist() == expected
    assert found.names[:3] == ["linear", "quadratic", "cubic"][: k - 1]


def test_names_and_coefficients():
    labels = ["a", "b", "c"]
    expected = {
        "pairwise": (["a - b", "a - c", "b - c"], [[1, -1, 0], [1, 0, -1], [0, 1, -1]]),
        "revpairwise": (["b - a", "c - a", "c - b"], [[-1, 1, 0], [-1, 0, 1], [0, -1, 1]]),
        "trt.vs.ctrl": (["b - a", "c - a"], [[-1, 1, 0], [-1, 0, 1]]),
        "trt.vs.ctrlk": (["a - c", "b - c"], [[1, 0, -1], [0, 1, -1]]),
        "consec": (["b - a", "c - b"], [[-1, 1, 0], [0, -1, 1]]),
        "mean_chg": (["a|b", "b|c"], [[-1, 0.5, 0.5], [-0.5, -0.5, 1]]),
        "eff": (["a effect", "b effect", "c effect"], np.eye(3) - 1 / 3),
        "del.eff": (["a effect", "b effect", "c effect"], 1.5 * np.eye(3) - 0.5),
    }
    for method, (names, matrix) in expected.items():
        found = contrast_matrix(method, labels)
        assert found.names == names
        assert_allclose(found.matrix, matrix)
        assert found.sums_to_zero
    for ref in ("b", 1):
        assert contrast_matrix("trt.vs.ctrl", labels, ref=ref).names == ["a - b", "c - b"]


def test_interaction_contrasts_are_contrasts_of_contrasts():
    fit = mixedlm2(
        "angle ~ recipe * temperature + (1 | recipe:replicate)", datasets.load("cake")
    ).fit(reml=True)
    means = fit.emmeans("recipe * temperature")
    table = means.to_frame().pivot(index="recipe", columns="temperature", values="estimate")
    changes = table.diff(axis=1).iloc[:, 1:]
    expected = changes.loc["A"] - changes.loc["C"]
    found = means.contrasts(["pairwise", "consec"]).to_frame()
    assert_allclose(found.loc[found["recipe_pairwise"] == "A - C", "estimate"], expected)
    assert len(found) == 3 * 5
    again = means.contrasts(["pairwise", "consec"]).adjusted("bonferroni")
    assert_allclose(again.pvalue, np.minimum(1, 15 * found["pvalue"]))


def test_rank_of_scheffe():
    fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit()
    found = fit.emmeans("machine").contrasts("pairwise", adjust="scheffe")
    assert_allclose(found.pvalue, stats.chi2.sf(found.statistic**2, 2))


def test_labels_that_hold_signs_are_in_parentheses():
    data = datasets.load("machines")
    data["machine"] = data["machine"].map({"A": "A-1", "B": "B+2", "C": "plain"}).astype(str)
    fit = mixedlm2("score ~ machine + (1 | worker)", data).fit()
    names = fit.emmeans("machine").contrasts().labels["contrast"].tolist()
    assert names == ["(A-1) - (B+2)", "(A-1) - plain", "(B+2) - plain"]
