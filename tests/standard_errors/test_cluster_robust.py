"""Cluster-robust standard errors against their definitions written with n x n matrices.

CR0, CR1 and CR1S: statsmodels' `OLS` where the random effects vanish. CR2, degrees of freedom
and Hotelling's test: Pustejovsky and Tipton (2018), with every matrix formed. Generalized
models: gradients by differences of the likelihood of the rows of one cluster.
"""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy import linalg, stats

from statsmodels_mixed import DataError, OptionError, datasets
from statsmodels_mixed.results.row_labels import find_clusters
from statsmodels_mixed.standard_errors import cluster_robust
from statsmodels_mixed.standard_errors.cluster_scores import scores

EXACT = {"rtol": 1e-8, "atol": 1e-12}


def cluster(groups, kind="CR1"):
    return {"cov_type": "cluster", "cov_kwds": {"groups": groups, "kind": kind}}


@pytest.fixture(scope="module")
def data():
    """Two levels of grouping, unequal sizes, a covariate of the clusters, weights."""
    rng = np.random.default_rng(8)
    school = np.repeat(np.arange(9), [4, 9, 5, 12, 7, 3, 8, 6, 10])
    n = len(school)
    pupil = np.arange(n) // 3
    frame = pd.DataFrame(
        {
            "school": school,
            # three rows each, but none in two schools
            "pupil": [f"{s}-{p}" for s, p in zip(school, pupil, strict=True)],
            "x": rng.normal(size=n),
            "size": np.sqrt(school + 1.0),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    effect = rng.normal(size=9)[school] + 0.7 * rng.normal(size=n // 3 + 1)[pupil]
    frame["y"] = 1 + frame["x"] * (0.5 + 0.4 * rng.normal(size=9)[school]) + effect
    frame["y"] += rng.normal(size=n) / np.sqrt(frame["w"])
    return frame


MODELS = [
    ("y ~ x + size + (1 | school)", None),
    ("y ~ x + size + (1 + x | school) + (1 | pupil)", "w"),
]


@pytest.fixture(scope="module", params=MODELS, ids=["intercepts", "weighted"])
def fit(request, data):
    formula, weights = request.param
    return smf.mixedlm2(formula, data, weights=weights).fit(reml=True)


class Dense:
    """V, H and the A of every cluster, all n x n or of the size of a cluster."""

    def __init__(self, result, codes, kind):
        design, estimates = result._results.kept_design(), result.estimates
        n = len(design.y)
        self.X = design.X
        self.V = np.diag(1 / (np.ones(n) if design.weights is None else design.weights))
        for block, T in zip(design.blocks, estimates.factors, strict=True):
            Z = np.zeros((n, len(block.levels), len(block.names)))
            Z[np.arange(n), block.refs] = block.z
            Sigma = np.kron(np.eye(len(block.levels)), T @ T.T)
            self.V += Z.reshape(n, -1) @ Sigma @ Z.reshape(n, -1).T
        self.M = np.linalg.inv(self.X.T @ np.linalg.solve(self.V, self.X))
        H = self.X @ self.M @ self.X.T @ np.linalg.inv(self.V)
        self.rest = np.eye(n) - H
        self.e = design.y - self.X @ estimates.beta
        self.rows = [np.flatnonzero(codes == g) for g in np.unique(codes)]
        self.parts = []  # (I - H)_g' A_g' V_g^-1 X_g M, n x rank
        for rows in self.rows:
            V = self.V[np.ix_(rows, rows)]
            A = np.eye(len(rows))
            if kind == "CR2":
                D = linalg.cholesky(V)
                left = self.rest[rows] @ self.V @ self.rest[rows].T
                A = D.T @ linalg.pinvh(np.real(linalg.sqrtm(D @ left @ D.T)), rtol=1e-6) @ D
            if kind == "CR3":
                A = V @ linalg.pinvh(self.rest[rows] @ self.V @ self.rest[rows].T, rtol=1e-9)
            X = self.X[rows]
            self.parts.append(self.rest[rows].T @ A.T @ np.linalg.solve(V, X @ self.M))

    def covariance(self):
        pieces = [part.T @ self.e for part in self.parts]
        return sum(np.outer(piece, piece) for piece in pieces)

    def wishart(self, L):
        """Degrees of freedom of the covariance of contrasts, by quadratic forms of e."""
        p = [part @ L.T for part in self.parts]
        mean = sum(each.T @ self.V @ each for each in p)
        root = np.linalg.inv(linalg.sqrtm(mean)).real
        p = [each @ root for each in p]
        variance = 0.0
        for s in range(len(L)):
            for t in range(len(L)):
                form = sum(np.outer(each[:, s], each[:, t]) for each in p)
                form = (form + form.T) / 2
                variance += 2 * np.trace(form @ self.V @ form @ self.V)
        return len(L) * (len(L) + 1) / variance


@pytest.mark.parametrize("kind", ["CR0", "CR2", "CR3"])
def test_covariance_and_degrees_of_freedom(fit, data, kind):
    robust = fit.with_inference(dof="satterthwaite", **cluster("school", kind))
    dense = Dense(fit, data["school"].to_numpy(), kind)
    assert_allclose(robust.cov_params(), dense.covariance(), **EXACT)
    assert_allclose(robust.bse**2, np.diag(dense.covariance()), **EXACT)
    rows = np.eye(3)
    expected = [dense.wishart(row[None]) for row in rows]
    assert_allclose(robust.df_coef, expected, rtol=1e-7)
    contrast = np.array([[1.0, -0.5, 2.0]])
    assert_allclose(robust.t_test(contrast).df_denom, dense.wishart(contrast), rtol=1e-7)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2", "CR3"])
def test_hotelling(fit, data, kind):
    robust = fit.with_inference(dof="satterthwaite", **cluster("school", kind))
    dense = Dense(fit, data["school"].to_numpy(), kind)
    L = np.eye(3)[1:]
    df = dense.wishart(L)
    size = {"CR1": 9 / 8, "CR1S": 9 * (len(data) - 1) / (8 * (len(data) - 3))}.get(kind, 1.0)
    beta = fit.params.to_numpy()[1:]
    wald = beta @ np.linalg.solve(size * dense.covariance()[1:, 1:], beta)
    expected = (df - 1) / (2 * df) * wald
    test = robust.f_test(L)
    assert_allclose(test.statistic, expected, rtol=1e-7)
    assert_allclose(test.df_denom, df - 1, rtol=1e-7)
    assert_allclose(test.pvalue, stats.f.sf(expected, 2, df - 1), rtol=1e-6)


def test_second_kind_is_unbiased_under_the_model(fit, data):
    dense = Dense(fit, data["school"].to_numpy(), "CR2")
    expected = sum(part.T @ dense.V @ part for part in dense.parts)
    assert_allclose(expected, dense.M, rtol=1e-6, atol=1e-9)


def test_least_squares_where_the_random_effects_vanish():
    data = datasets.load("dyestuff2").rename(columns={"yield": "result"})
    with pytest.warns(UserWarning, match="singular"):
        fit = smf.mixedlm2("result ~ 1 + (1 | batch)", data).fit(reml=True)
    ols = smf.ols("result ~ 1", data)
    codes = data["batch"].cat.codes
    for kind, correct in (("CR1S", True), ("CR0", False)):
        robust = fit.with_inference(dof="residual", **cluster("batch", kind))
        options = {"groups": codes, "use_correction": correct}
        other = ols.fit(cov_type="cluster", cov_kwds=options, use_t=True)
        assert_allclose(robust.bse, other.bse, rtol=1e-7)
        assert_allclose(robust.pvalues, other.pvalues, rtol=1e-6)
        assert_allclose(robust.conf_int(), other.conf_int(), rtol=1e-7)


def test_corrections_for_few_clusters(fit, data):
    n, plain = len(data), fit.with_inference(**cluster("school", "CR0")).bse
    one = fit.with_inference(**cluster("school", "CR1")).bse
    stata = fit.with_inference(**cluster("school", "CR1S")).bse
    assert_allclose(one / plain, np.sqrt(9 / 8))
    assert_allclose(stata / plain, np.sqrt(9 * (n - 1) / (8 * (n - 3))))


def test_balanced_data_have_classical_degrees_of_freedom():
    # One mean for every subject and equal designs: a paired t test, with 17 of them.
    data = datasets.load("sleepstudy")
    options = cluster(data["subj"], "CR2")
    fit = smf.mixedlm2("reaction ~ days + (days | subj)", data).fit(dof="satterthwaite", **options)
    subjects = data.groupby("subj", observed=True)
    slopes = [np.polyfit(part["days"], part["reaction"], 1)[0] for _, part in subjects]
    t = stats.ttest_1samp(slopes, 0.0)
    assert_allclose(fit.tvalues["days"], t.statistic, rtol=1e-8)
    assert_allclose(fit.df_coef["days"], 17, rtol=1e-8)
    assert_allclose(fit.pvalues["days"], t.pvalue, rtol=1e-6)
    text = str(fit.summary())
    assert "CR2, 18 clusters" in text and "Satterthwaite" in text
    assert fit.cov_kwds["kind"] == "CR2"


def test_labels_may_come_in_many_forms(fit, data):
    expected = fit.with_inference(**cluster("school")).bse
    for groups in (data["school"], data["school"].to_numpy(), [f"s{s}" for s in data["school"]]):
        assert_allclose(fit.with_inference(**cluster(groups)).bse, expected, rtol=1e-12)
    longer = pd.concat([data, data.assign(y=np.nan)], ignore_index=True)
    shuffled = smf.mixedlm2("y ~ x + size + (1 | pupil)", longer)
    part = smf.mixedlm2("y ~ x + size + (1 | pupil)", data)
    assert_allclose(
        shuffled.fit(**cluster(longer["school"])).bse, part.fit(**cluster(data["school"])).bse
    )


def test_an_interaction_may_be_the_clusters(data):
    part = data.assign(half=np.arange(len(data)) % 2, both=lambda d: 2 * d["school"] + d["half"])
    model = smf.mixedlm2("y ~ x + (1 | school & half)", part)
    fit = model.fit(**cluster("school & half", "CR2"), dof="satterthwaite")
    expected = model.fit(**cluster(part["both"], "CR2"), dof="satterthwaite")
    assert_allclose(fit.cov_params(), expected.cov_params(), rtol=1e-12)
    assert_allclose(fit.df_coef, expected.df_coef, rtol=1e-12)
    assert list(fit.cov_kwds["groups"]) == list(zip(part["school"], part["half"], strict=True))
    again = fit.refit(part["y"] + part["x"])
    assert_allclose(again.bse, fit.bse, rtol=1e-4)


@pytest.mark.parametrize("kind", ["CR0", "CR1"])
def test_coefficients_of_one_cluster_each_have_no_test(data, kind):
    """Residuals of a cluster with a coefficient of its own do not know its variance."""
    model = smf.mixedlm2("y ~ 0 + C(school) + (1 | pupil)", data)
    fit = model.fit(**cluster("school", kind), dof="satterthwaite")
    assert fit.coeftable()[["df", "Pr(>|t|)"]].isna().all(axis=None)
    assert np.isnan(fit.conf_int()).all(axis=None)
    assert np.isnan(fit.f_test(np.eye(9)[:2]).pvalue)


@pytest.mark.parametrize("options", [{}, {"residual": "cs(0 + day | subj)"}])
@pytest.mark.parametrize("dof", [None, "residual", "satterthwaite"])
def test_clusters_that_determine_one_mean_each_leave_no_standard_errors(options, dof):
    # The scores of each cluster are zero but for rounding: errors of 1e-16 are none.
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"subj": np.repeat(np.arange(12), 5), "day": np.tile(np.arange(5), 12)})
    data["arm"] = np.repeat(list("abc"), 20)
    data["y"] = rng.normal(size=12)[data.subj] + rng.normal(size=60)
    formula = "y ~ arm" if options else "y ~ arm + (1 | subj)"
    model = smf.mixedlm2(formula, data, **options)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": "arm"}, dof=dof)
    for each in (fit.bse, fit.pvalues, fit.conf_int(), fit.cov_params()):
        assert np.isnan(np.asarray(each)).all()
    assert np.isnan(fit.t_test("arm[T.b] = arm[T.c]").sd).all()
    assert np.isnan(fit.get_prediction(data.head(2), re=False).summary_frame().mean_se).all()
    assert "nothing is left of its variance" in str(fit.summary())


def test_contrasts_with_a_singular_covariance_have_no_joint_test(data):
    """The scores of a cluster with a coefficient of its own sum to zero."""
    part = data.assign(first=1.0 * (data["school"] == 0))
    fit = smf.mixedlm2("y ~ x + first + (1 | school)", part).fit(**cluster("school"))
    for use_f in (False, True):
        test = fit.wald_test(np.eye(3), use_f=use_f)
        assert np.isnan(test.statistic) and np.isnan(test.pvalue)
    possible = fit.wald_test(np.eye(3)[:2])
    beta, V = fit.params.to_numpy()[:2], fit.cov_params().to_numpy()[:2, :2]
    assert_allclose(possible.statistic, beta @ np.linalg.solve(V, beta))


@pytest.mark.parametrize("kind", ["CR0", "CR2"])
def test_many_contrasts_are_done_in_parts(fit, monkeypatch, kind):
    robust = fit.with_inference(**cluster("school", kind), dof="satterthwaite")
    rows = np.random.default_rng(3).normal(size=(20, 3))
    tests = robust.reference.tests
    one_by_one = [tests._wishart(tests._working(row[None])) for row in rows]
    for room in (1, 100, 10**6):  # nine clusters, three coefficients: 81 is the fourth power
        monkeypatch.setattr(cluster_robust, "_ROOM", room)
        assert_allclose(tests.df(rows), one_by_one, rtol=1e-9)


def test_labels_go_with_the_data(fit):
    robust = copy.deepcopy(fit.with_inference(**cluster("school"), dof="satterthwaite"))
    before = robust.t_test([0, 1, 0]).pvalue
    robust.remove_data()
    assert dict(robust.cov_kwds) == {"kind": "CR1"}
    assert_allclose(robust.t_test([0, 1, 0]).pvalue, before)


def test_results_are_otherwise_the_same(fit):
    robust = fit.with_inference(**cluster("school"))
    assert robust.llf == fit.llf and robust.estimates is fit.estimates
    assert fit.cov_type == "nonrobust" and robust.cov_type == "cluster"
    assert not np.allclose(robust.bse, fit.bse)
    assert_allclose(fit.bse, fit.with_inference().bse)
    assert robust.use_t is False
    half = stats.norm.ppf(0.975) * robust.bse
    assert_allclose(robust.conf_int()[0], robust.params - half)


REFUSED = [
    ({"cov_type": "HC3"}, "nonrobust or cluster"),
    ({"cov_type": "cluster"}, "groups"),
    ({"cov_type": "cluster", "cov_kwds": "school"}, "dict"),
    ({"cov_kwds": {"groups": "school"}}, 'cov_type="cluster"'),
    (cluster("school", "CR9"), "CR0, CR1, CR1S, CR2, CR3"),
    (cluster("nothing"), "no column of the model"),
    (cluster([1, 2, 3]), "one label for each of the 64 rows"),
    (cluster(np.zeros(64)), "single cluster"),
    (cluster(np.arange(64) // 2), "levels of 'school' occur in several clusters"),
    (cluster([None] + [1] * 63), "missing labels"),
    ({**cluster("school"), "dof": "kenward-roger"}, "kenward-roger"),
    ({"cov_type": "cluster", "cov_kwds": {"groups": "school", "df": 3}}, "not df"),
    ({"dof": "kr"}, "dof must be one of"),
    ({"dof": "kenward-roger"}, "reml=True"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refusals(data, options, message):
    model = smf.mixedlm2("y ~ x + (1 | school)", data)
    with pytest.raises(OptionError, match=message):
        model.fit(**options)


def test_data_are_needed(data):
    fit = smf.mixedlm2("y ~ x + (1 | school)", data).fit()
    fit.remove_data()
    with pytest.raises(DataError, match="removed"):
        fit.with_inference(**cluster("school"))
    assert fit.with_inference(dof="residual").use_t


# Generalized models.


@pytest.fixture(scope="module")
def counts(data):
    rng = np.random.default_rng(4)
    mean = np.exp(0.5 + 0.3 * data["x"] + 0.6 * rng.normal(size=9)[data["school"]])
    return data.assign(
        count=rng.poisson(mean), many=rng.negative_binomial(2, 1 / (1 + mean)), big=data["x"] * 1e4
    )


@pytest.mark.parametrize(
    ("response", "family", "options"),
    [
        ("count", sm.families.Poisson(), {}),
        ("count", sm.families.Poisson(), {"n_agq": 7}),
        ("many", sm.families.NegativeBinomial(alpha=1.0), {}),
        ("many", sm.families.Poisson(sm.families.links.Sqrt()), {"hessian": "observed"}),
    ],
)
def test_scores_are_gradients_of_the_likelihood_of_a_cluster(counts, response, family, options):
    formula = f"{response} ~ x + (1 | school)"
    fit = smf.mixedglm2(formula, counts, family).fit(ftol_abs=1e-12, **options)
    clusters = find_clusters(fit.model, "school")
    found = scores(fit.model.design, fit.estimates, clusters)
    assert_allclose(found.sum(axis=0), 0, atol=2e-4)
    at = np.concatenate([fit.theta, fit.params, [fit.dispersion]])
    has = fit.estimates.spec.has_dispersion
    how = {"n_agq": options.get("n_agq", 1), "hessian": options.get("hessian", "expected")}
    # the rows of one school beside those of all: what these add to the likelihood
    for g, rows in enumerate(clusters.rows()[:3]):
        rest = smf.mixedglm2(formula, counts.drop(index=rows), family)

        def value(x, rest=rest):
            scale = x[3] if has else 1.0
            whole = fit.model.loglike(x[:1], x[1:3], scale, **how)
            return whole - rest.loglike(x[:1], x[1:3], scale, **how)

        steps = 1e-4 * np.maximum(np.abs(at[: 3 + has]), 0.1)
        slopes = [
            (value(at[: 3 + has] + h) - value(at[: 3 + has] - h)) / (2 * h.sum())
            for h in np.diag(steps)
        ]
        if has:
            slopes[3] *= at[3]
        assert_allclose(found[g], slopes, rtol=1e-4, atol=1e-4)


def test_sandwich_of_a_generalized_model(counts):
    model = smf.mixedglm2("count ~ x + (1 | school)", counts, sm.families.Poisson())
    fit = model.fit(dof="residual", **cluster("school", "CR0"))
    found = scores(model.design, fit.estimates, find_clusters(model, "school"))
    # the Hessian in theta and beta by second differences of the likelihood
    at = np.concatenate([fit.theta, fit.params])
    steps = np.diag(1e-3 * np.ones(3))
    H = np.array(
        [
            [
                sum(
                    a * b * model.objective(x[:1], x[1:])
                    for a in (1, -1)
                    for b in (1, -1)
                    for x in [at + a * steps[i] + b * steps[j]]
                )
                for j in range(3)
            ]
            for i in range(3)
        ]
    ) / (4e-6 * 2)
    inverse = np.linalg.inv(H)
    expected = (inverse @ found.T @ found @ inverse)[1:, 1:]
    assert_allclose(fit.cov_params(), expected, rtol=1e-4)
    assert_allclose(fit.pvalues, 2 * stats.t.sf(np.abs(fit.tvalues), 8))
    assert "CR0, 9 clusters" in str(fit.summary())


def test_units_of_columns_do_not_matter_in_a_generalized_model(counts):
    options = cluster("school")
    a = smf.mixedglm2("count ~ x + (1 | school)", counts, sm.families.Poisson()).fit(**options)
    b = smf.mixedglm2("count ~ big + (1 | school)", counts, sm.families.Poisson()).fit(**options)
    assert_allclose(a.bse["x"], b.bse["big"] * 1e4, rtol=1e-5)


def test_refusals_of_generalized_models(counts):
    model = smf.mixedglm2("count ~ x + (1 | school)", counts, sm.families.Poisson())
    for options, message in (
        (cluster("school", "CR2"), "CR0, CR1, CR1S, not 'CR2'"),
        ({"fast": True, **cluster("school")}, "fast=True"),
        ({"dof": "satterthwaite"}, "linear models"),
        ({"cov_type": "nonrobust"}, "conditional or hessian or cluster"),
    ):
        with pytest.raises(OptionError, match=message):
            model.fit(**options)


@pytest.mark.parametrize("groups", [3, 4, 5])
@pytest.mark.parametrize("kind", ["linear", "residual", "counts", "zeros"])
def test_a_singular_covariance_by_few_clusters_is_said(kind, groups):
    # Scores of clusters sum to zero: the rank of their products is less than their number.
    rng = np.random.default_rng(8)
    data = pd.DataFrame(rng.normal(size=(120, 3)), columns=["x", "z", "w"])
    data["g"] = np.repeat(np.arange(60), 2)
    data["c"] = np.repeat(np.arange(groups), 60 // groups)[data.g]
    data["y"] = data.x + rng.normal(size=60)[data.g] + rng.normal(size=120)
    data["n"] = rng.poisson(np.exp(1.0 + 0.3 * data.x + 0.5 * rng.normal(size=60)[data.g]))
    data["n"] *= rng.random(120) < 0.7
    clustered = {"cov_type": "cluster", "cov_kwds": {"groups": data["c"]}}
    if kind == "linear":
        fit = smf.mixedlm2("y ~ x + z + w + (1 | g)", data).fit(**clustered)
    elif kind == "residual":
        fit = smf.mixedlm2("y ~ x + z + w", data, residual="cs(0 + w | g)").fit(**clustered)
    elif kind == "counts":
        fit = smf.mixedglm2("n ~ x + z + w + (1 | g)", data, "poisson").fit(**clustered)
    else:
        model = smf.mixedglm2("n ~ x + z + (1 | g)", data, "poisson", zero_inflation="~ 1")
        fit = model.fit(**clustered)
    V = fit.cov_params().to_numpy()
    size = np.sqrt(np.diag(V))
    rank = np.linalg.matrix_rank(V / np.outer(size, size), tol=1e-9)
    assert rank == min(4, groups - 1)
    assert ("clusters are too few" in str(fit.summary())) == (rank < 4)
    if kind == "linear":
        careful = fit.with_inference(**clustered, dof="satterthwaite")
        assert "clusters are too few" not in str(careful.summary())
