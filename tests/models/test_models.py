"""`LinearMixedModel`: how it is made, what it refuses, and the objective it minimizes."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from patsy import Treatment

import statsmodels_mixed
from statsmodels_mixed import (
    DataError,
    FormulaError,
    LinearMixedModel,
    OptionError,
    datasets,
    parse,
    term,
)

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"


@pytest.fixture(scope="module")
def data():
    return datasets.load("sleepstudy")


@pytest.fixture(scope="module")
def model(data):
    return smf.mixedlm2(SLEEP, data)


@pytest.fixture(scope="module")
def fit(model):
    return model.fit()


def dense_objective(model, theta, reml=False):
    """-2 log-likelihood of the marginal normal distribution, sigma profiled out."""
    y, x = model.endog, model.exog
    z = model.design.blocks[0]
    factor = np.array([[theta[0], 0], [theta[1], theta[2]]])
    same = z.refs[:, None] == z.refs[None, :]
    v = np.eye(len(y)) + np.where(same, z.z @ factor @ factor.T @ z.z.T, 0)
    inverse = np.linalg.inv(v)
    xvx = x.T @ inverse @ x
    r = y - x @ np.linalg.solve(xvx, x.T @ inverse @ y)
    count = len(y) - reml * x.shape[1]
    value = np.linalg.slogdet(v)[1] + count * (1 + np.log(2 * np.pi * (r @ inverse @ r) / count))
    return value + reml * np.linalg.slogdet(xvx)[1]


def test_the_constructor_is_registered():
    assert smf.mixedlm2 == LinearMixedModel.from_formula
    assert smf.__all__.count("mixedlm2") == 1


def test_every_public_name_exists():
    for name in statsmodels_mixed.__all__:
        assert hasattr(statsmodels_mixed, name)


def test_attributes_statsmodels_users_look_for(model, data):
    assert model.endog_names == "reaction"
    assert model.exog_names == ["Intercept", "days"]
    assert model.nobs == 180
    assert model.k_constant == 1
    assert model.formula == model.formula_full == SLEEP
    assert model.data.formula == "reaction ~ 1 + days"
    assert not hasattr(model.fit(), "formula")
    assert set(model.data.frame.columns) == {"reaction", "days", "subj"}
    np.testing.assert_array_equal(model.endog, data["reaction"])
    assert repr(model) == f"<LinearMixedModel: {SLEEP}; 180 rows>"
    assert model.data.orig_exog.columns.tolist() == ["Intercept", "days"]


@pytest.mark.parametrize(
    ("formula", "constant"),
    [("reaction ~ 0 + days", 0), ("reaction ~ 0 + C(days)", 1), ("reaction ~ 1", 1)],
)
def test_constant_is_found_in_the_span(data, formula, constant):
    assert smf.mixedlm2(formula + " + (1 | subj)", data).k_constant == constant


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("theta", [(1.0, 0.0, 1.0), (0.9, 0.02, 0.2), (0.0, 0.3, 0.0)])
def test_objective_is_that_of_the_marginal_distribution(model, theta, reml):
    value = model.objective(theta, reml=reml)
    assert value == pytest.approx(dense_objective(model, theta, reml), abs=1e-8)
    assert model.loglike(theta, reml) == -value / 2


@pytest.mark.parametrize("reml", [False, True])
def test_gradient_is_that_of_the_objective(model, reml):
    theta, step = np.array([0.8, 0.1, 0.3]), 1e-5
    differences = [
        (dense_objective(model, theta + d, reml) - dense_objective(model, theta - d, reml)) / 2e-5
        for d in step * np.eye(3)
    ]
    np.testing.assert_allclose(model.gradient(theta, reml), differences, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.score(theta, reml), -model.gradient(theta, reml) / 2)


def test_the_fit_is_at_the_minimum(model, fit):
    assert fit.objective == pytest.approx(dense_objective(model, fit.theta), abs=1e-8)
    np.testing.assert_allclose(model.gradient(fit.theta), 0, atol=1e-2)


@pytest.mark.parametrize("theta", [[1.0], [1.0, np.nan, 1.0], np.ones((3, 1))])
def test_theta_must_fit_the_model(model, theta):
    with pytest.raises(OptionError, match="3 finite numbers"):
        model.objective(theta)
    with pytest.raises(OptionError, match="3 finite numbers"):
        model.fit(start=theta)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "bfgs"},
        {"REML": True},
        {"full_output": True},
        {"maxiter": 3},
        {"robust": True},
    ],
)
def test_unknown_options_are_not_ignored(model, options):
    with pytest.raises(TypeError, match=next(iter(options))):
        model.fit(**options)
    with pytest.raises(TypeError):
        smf.mixedlm2(SLEEP, {}, **options)


@pytest.mark.parametrize(
    "options", [{"reml": "yes"}, {"sigma": 0.0}, {"sigma": -1.0}, {"sigma": np.inf}]
)
def test_options_out_of_range(model, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        model.fit(**options)


def test_starting_elsewhere_gives_the_same_fit(model, fit):
    other = model.fit(start=[0.5, 0.0, 0.5])
    assert other.objective == pytest.approx(fit.objective, abs=1e-7)
    np.testing.assert_allclose(other.report.start, [0.5, 0.0, 0.5])


def test_known_sigma(model):
    # With sigma known the objective is another one: its minimum over sigma is the fit's.
    best = model.fit()
    given = [model.fit(sigma=factor * best.sigma).objective for factor in (0.95, 1.0, 1.05)]
    assert given[1] == pytest.approx(best.objective, abs=1e-6)
    assert given[0] > given[1] < given[2]


@pytest.mark.parametrize(
    "formula",
    [
        parse(SLEEP),
        term("reaction").follows(term(1) + term("days") + (term(1) + term("days") | term("subj"))),
    ],
)
def test_a_formula_need_not_be_text(data, fit, formula):
    assert smf.mixedlm2(formula, data).fit().objective == pytest.approx(fit.objective)


def test_functions_of_the_caller_are_found(data, fit):
    def slowed(x):
        return 2 * x

    double = smf.mixedlm2("reaction ~ slowed(days) + (slowed(days) | subj)", data).fit()
    assert double.objective == pytest.approx(fit.objective, abs=1e-7)
    assert 2 * double.params.iloc[1] == pytest.approx(fit.params["days"], rel=1e-6)
    given = smf.mixedlm2("reaction ~ f(days) + (1 | subj)", data, eval_env={"f": slowed})
    assert given.exog_names == ["Intercept", "f(days)"]
    with pytest.raises(DataError, match="slowed"):
        smf.mixedlm2("reaction ~ slowed(days) + (1 | subj)", data, eval_env=-1)


def test_other_things_are_not_formulas(data):
    with pytest.raises(OptionError, match="not tuple"):
        smf.mixedlm2(("y", "x"), data)


def test_subset_missing_and_contrasts(data):
    later = smf.mixedlm2("reaction ~ days + (1 | subj)", data, subset="days >= 5")
    assert later.nobs == 90
    holes = data.assign(days=data["days"].where(data["days"] != 2))
    assert smf.mixedlm2("reaction ~ days + (1 | subj)", holes).nobs == 162
    with pytest.raises(DataError, match="days"):
        smf.mixedlm2("reaction ~ days + (1 | subj)", holes, missing="raise")
    coded = smf.mixedlm2("reaction ~ days + (1 | subj)", data, contrasts={"days": Treatment()})
    assert len(coded.exog_names) == 10


def test_equal_weights_change_sigma_only(data, fit):
    weighted = smf.mixedlm2(SLEEP, data, weights=np.full(180, 4.0)).fit()
    assert weighted.objective == pytest.approx(fit.objective, abs=1e-8)
    assert weighted.sigma == pytest.approx(2 * fit.sigma, rel=1e-6)
    np.testing.assert_allclose(weighted.cov_re, fit.cov_re, rtol=1e-4)
    np.testing.assert_allclose(weighted.bse, fit.bse, rtol=1e-5)


def test_an_offset_is_subtracted_from_the_response(data, fit):
    shift = 3.0 * data["days"] + 10
    shifted = smf.mixedlm2(SLEEP, data, offset=shift).fit()
    np.testing.assert_allclose(shifted.params, fit.params - [10, 3], rtol=1e-6)
    np.testing.assert_allclose(shifted.fittedvalues, fit.fittedvalues, rtol=1e-6)


# Models made from arrays.


def test_arrays_and_formula_agree(data, fit):
    x = np.column_stack([np.ones(180), data["days"]])
    model = LinearMixedModel(data["reaction"].to_numpy(), x, data["subj"].to_numpy(), exog_re=x)
    again = model.fit()
    assert again.objective == pytest.approx(fit.objective, abs=1e-8)
    assert model.exog_names == ["const", "x1"]
    assert again.theta_names == ["groups.Intercept", "groups.x_re1.Intercept", "groups.x_re1"]
    assert isinstance(again.params, np.ndarray) and isinstance(again.fittedvalues, np.ndarray)
    np.testing.assert_allclose(again.predict(x[:2]), fit.predict()[:2])
    assert again.wald_test_terms().table.index.tolist() == ["const", "x1"]
    with pytest.raises(DataError, match="2 columns"):
        again.predict(np.ones((3, 3)))
    with pytest.raises(OptionError, match="made from a formula"):
        again.predict(x, re=True)


def test_pandas_arrays_keep_their_names(data):
    x = pd.DataFrame({"one": 1.0, "days": data["days"]})
    again = LinearMixedModel(data["reaction"], x, data["subj"]).fit()
    assert again.model.endog_names == "reaction"
    assert again.params.index.tolist() == ["one", "days"]
    assert list(again.ranef()) == ["subj"]
    assert again.resid.index.equals(data.index)


def test_several_groups_as_a_mapping():
    penicillin = datasets.load("penicillin")
    groups = {"sample": penicillin["sample"], "plate": penicillin["plate"]}
    model = LinearMixedModel(penicillin["diameter"], np.ones(144), groups)
    assert model.fit().objective == pytest.approx(332.1883, abs=1e-4)  # as by formula
    assert [block.name for block in model.layout.blocks] == ["plate", "sample"]


def test_missing_values_in_arrays(data):
    y = data["reaction"].to_numpy().copy()
    y[:3] = np.nan
    arrays = (y, np.ones(180), data["subj"])
    with pytest.raises(DataError, match="3 rows have missing values"):
        LinearMixedModel(*arrays)
    fit = LinearMixedModel(*arrays, missing="drop").fit()
    assert (fit.nobs, fit.n_dropped) == (177, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exog": np.ones(179)}, "exog has shape"),
        ({"groups": np.zeros((180, 2))}, "one label per row"),
        ({"groups": np.zeros(180)}, "single level"),
        ({"endog": np.full(180, 2.0)}, "constant"),
        ({"endog": np.append(np.ones(179), np.inf)}, "endog has infinite"),
        ({"endog": ["a"] * 180}, "endog must hold numbers"),
        ({"weights": np.zeros(180)}, "weights must be positive"),
        ({"offset": np.ones(3)}, "offset has shape"),
        ({"missing": "ignore"}, "missing must be"),
        ({"exog_re": {"subj": np.ones(180)}}, "only when groups is one"),
    ],
)
def test_arrays_that_do_not_fit(data, changes, message):
    arrays = {"endog": data["reaction"], "exog": np.ones(180), "groups": data["subj"], **changes}
    with pytest.raises((DataError, OptionError), match=message):
        LinearMixedModel(**arrays)


# Bad input by formula: one clear error.


@pytest.mark.parametrize(
    ("formula", "change", "error", "message"),
    [
        ("reaction ~ days", {}, FormulaError, "no random-effects term"),
        ("reaction ~ x1 + (x2 | g3)", {}, DataError, "'x1', 'x2', 'g3'"),
        ("reaction ~ days + (days | days)", {}, FormulaError, "both sides"),
        ("reaction ~ days + (1 | one)", {"one": "a"}, DataError, "single level"),
        ("reaction ~ days + (1 | row)", {"row": range(180)}, DataError, "as many levels"),
        ("flat ~ days + (1 | subj)", {"flat": 1.0}, DataError, "constant"),
        ("text ~ days + (1 | subj)", {"text": ["a", "b"] * 90}, DataError, "labels"),
        ("huge ~ days + (1 | subj)", {"huge": [1.0, np.inf] * 90}, DataError, "infinite"),
        ("reaction ~ huge + (1 | subj)", {"huge": [1.0, np.inf] * 90}, DataError, "infinite"),
        ("reaction ~ gone + (1 | subj)", {"gone": np.nan}, DataError, "no rows|missing"),
    ],
)
def test_bad_input(data, formula, change, error, message):
    table = data.assign(**change)
    before = table.copy()
    with pytest.raises(error, match=message):
        smf.mixedlm2(formula, table).fit()
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("weights", [-1.0, 0.0, np.inf])
def test_weights_must_be_positive(data, weights):
    with pytest.raises(DataError, match="weights"):
        smf.mixedlm2(SLEEP, data, weights=np.append(np.ones(179), weights))


def test_one_level_per_row_is_allowed_when_sigma_is_known():
    # Random-effects meta-analysis: known variances, one row per study.
    rng = np.random.default_rng(3)
    table = {"y": rng.normal(size=40) * 3, "w": rng.uniform(0.5, 2, 40), "study": range(40)}
    with pytest.raises(DataError, match="as many levels"):
        smf.mixedlm2("y ~ 1 + (1 | study)", table).fit()
    fit = smf.mixedlm2("y ~ 1 + (1 | study)", table, weights="w").fit(sigma=1.0)
    tau2 = float(fit.cov_re.iloc[0, 0])
    total = tau2 + 1 / np.asarray(table["w"])
    mean = np.sum(table["y"] / total) / np.sum(1 / total)
    loglik = -0.5 * np.sum(np.log(2 * np.pi * total) + (table["y"] - mean) ** 2 / total)
    assert fit.params["Intercept"] == pytest.approx(mean, rel=1e-6)
    assert fit.llf == pytest.approx(loglik, rel=1e-9)


def test_a_formula_without_random_effects_is_answered(data):
    with pytest.raises(FormulaError, match=r"smf\.ols.*smf\.wls") as caught:
        smf.mixedlm2("reaction ~ days", data)
    assert caught.value.formula[caught.value.start : caught.value.end] == "days"
