"""`GeneralizedLinearMixedModel`: how it is made, what it refuses, and what it minimizes."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.integrate
import statsmodels.api as sm
import statsmodels.formula.api as smf
from patsy import Treatment

from statsmodels_mixed import (
    ConvergenceWarning,
    DataError,
    FormulaError,
    GeneralizedLinearMixedModel,
    MixedModelWarning,
    OptionError,
    RankWarning,
    SeparationWarning,
    SingularFitWarning,
    datasets,
    parse,
    term,
)

families, links = sm.families, sm.families.links
USE = "use ~ 1 + age + urban + (1 | dist)"
HERD = "incid / hsz ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def contra():
    return datasets.load("contra")


@pytest.fixture(scope="module")
def cbpp():
    return datasets.load("cbpp")


@pytest.fixture(scope="module")
def ticks():
    return datasets.load("grouseticks")


@pytest.fixture(scope="module")
def model(contra):
    return smf.mixedglm2(USE, contra, families.Binomial())


@pytest.fixture(scope="module")
def fit(model):
    return model.fit()


def test_the_constructor_is_registered():
    assert smf.mixedglm2 == GeneralizedLinearMixedModel.from_formula
    assert smf.__all__.count("mixedglm2") == 1


def test_attributes_statsmodels_users_look_for(model, contra):
    assert model.endog_names == "use"
    assert model.exog_names == ["Intercept", "urban[T.Y]", "age"]
    assert model.nobs == 1934
    assert model.k_constant == 1
    assert model.formula_full == USE
    assert model.data.formula == "use ~ 1 + age + urban"
    assert set(model.data.frame.columns) == {"use", "age", "urban", "dist"}
    assert isinstance(model.family.link, links.Logit)
    np.testing.assert_array_equal(model.endog, contra["use"] == "Y")
    assert repr(model) == f"<GeneralizedLinearMixedModel: {USE}; 1934 rows>"


def test_the_family_is_not_shared_with_the_caller(contra):
    family = families.Binomial()
    made = smf.mixedglm2(USE, contra, family=family)
    family.link = links.Probit()
    assert isinstance(made.family.link, links.Logit)
    assert family.n == 1


# The objective. With theta = 0 the model is a generalized linear model, and Laplace exact.


def toy(family, n=30, seed=5):
    """Data that suit the family, with means well inside its range."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.5, 0.5, n)
    mean = 0.55 + 0.2 * x
    draw = {
        "Binomial": lambda: rng.binomial(1, mean),
        "Poisson": lambda: rng.poisson(2 * mean),
        "NegativeBinomial": lambda: rng.poisson(2 * mean * rng.gamma(2.0, 0.5, n)),
        "Gamma": lambda: rng.gamma(3.0, mean / 3.0),
        "InverseGaussian": lambda: rng.wald(mean, 3.0),
        "Gaussian": lambda: mean + 0.1 * rng.normal(size=n),
    }[type(family).__name__]
    return pd.DataFrame({"y": draw().astype(float), "x": x, "g": np.arange(n) % 6})


CHOICES = [
    *(
        families.Binomial(link())
        for link in (
            links.Logit,
            links.Probit,
            links.Cauchy,
            links.CLogLog,
            links.LogLog,
            links.Log,
            links.Identity,
        )
    ),
    *(families.Poisson(link()) for link in (links.Log, links.Identity, links.Sqrt)),
    *(families.Gaussian(link()) for link in (links.Identity, links.Log, links.InversePower)),
    *(families.Gamma(link()) for link in (links.Log, links.Identity, links.InversePower)),
    *(
        families.InverseGaussian(link())
        for link in (links.Log, links.Identity, links.InversePower, links.InverseSquared)
    ),
    *(families.NegativeBinomial(link(), alpha=0.7) for link in (links.Log, links.Identity)),
    families.NegativeBinomial(links.Power(0.5), alpha=0.7),
]


@pytest.mark.parametrize("hessian", ["expected", "observed"])
@pytest.mark.parametrize(
    "family", CHOICES, ids=lambda f: f"{type(f).__name__}-{type(f.link).__name__}"
)
def test_without_random_effects_the_likelihood_is_that_of_a_glm(family, hessian):
    data = toy(family)
    params = np.array([family.link(0.55), 0.3 * family.link.deriv(0.55)])
    made = smf.mixedglm2("y ~ x + (1 | g)", data, family)
    mu = family.link.inverse(made.exog @ params)
    dispersion = {"Gaussian": 0.3, "Gamma": 0.3, "InverseGaussian": 0.3}.get(
        type(family).__name__, getattr(family, "alpha", 1.0)
    )
    scale = 1.0 if hasattr(family, "alpha") else dispersion
    expected = family.loglike(data["y"].to_numpy(), mu, scale=scale)
    for n_agq in (1, 3):
        value = made.loglike([0.0], params, dispersion, n_agq=n_agq, hessian=hessian)
        assert value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    "family", CHOICES, ids=lambda f: f"{type(f).__name__}-{type(f.link).__name__}"
)
@pytest.mark.parametrize(
    "options", [{}, {"hessian": "observed"}, {"n_agq": 5}], ids=["laplace", "observed", "agq"]
)
def test_gradient_is_that_of_the_objective(family, options):
    made = smf.mixedglm2("y ~ x + (1 | g)", toy(family), family)
    params = np.array([family.link(0.55), 0.2 * family.link.deriv(0.55)])
    point = np.array([0.05 * abs(family.link.deriv(0.55)), *params, np.log(0.4)])
    if not made.spec.has_dispersion:
        point = point[:-1]

    def value(at, what):
        dispersion = float(np.exp(at[3])) if len(at) == 4 else 1.0
        return getattr(made, what)(at[:1], at[1:3], dispersion, **options)

    step = 1e-5 * np.maximum(np.abs(point), 0.1)
    differences = [
        (value(point + d, "objective") - value(point - d, "objective")) / (2 * s)
        for s, d in zip(step, np.diag(step), strict=True)
    ]
    gradient = value(point, "gradient")
    np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-5 * abs(gradient).max())
    np.testing.assert_allclose(value(point, "score"), -gradient / 2)


def test_quadrature_tends_to_the_integral():
    # Marginal likelihood of every group by general-purpose numerical integration.
    data = toy(families.Poisson(), n=18)
    theta, params = 0.8, np.array([0.1, 0.5])

    def density(u, rows):
        mu = np.exp(params[0] + params[1] * rows["x"] + theta * u)
        logarithm = families.Poisson().loglike(rows["y"].to_numpy(), mu.to_numpy())
        return np.exp(logarithm - u * u / 2) / np.sqrt(2 * np.pi)

    exact = sum(
        np.log(scipy.integrate.quad(density, -9, 9, args=(rows,), epsabs=0, epsrel=1e-11)[0])
        for _, rows in data.groupby("g")
    )
    made = smf.mixedglm2("y ~ x + (1 | g)", data, families.Poisson())
    assert made.loglike([theta], params, n_agq=25) == pytest.approx(exact, abs=1e-9)
    errors = [abs(made.loglike([theta], params, n_agq=k) - exact) for k in (3, 5, 9)]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [0, 0, 0]), "1 finite numbers"),
        (([1.0], [0, 0]), "params must be 3"),
        (([1.0], [0, 0, np.nan]), "params must be 3"),
        (([1.0], [0, 0, 0], 2.0), "binomial has no dispersion"),
        (([1.0], [0, 0, 0], -1.0), "positive"),
    ],
)
def test_parameters_must_fit_the_model(model, arguments, message):
    with pytest.raises(OptionError, match=message):
        model.objective(*arguments)


# Equivalent models.


def same(one, other, tolerance=1e-8):
    assert one.objective == pytest.approx(other.objective, abs=tolerance)
    np.testing.assert_allclose(np.asarray(one.params), np.asarray(other.params), rtol=1e-4)
    return True


def test_ways_to_give_a_binary_response(contra, fit):
    numbers = contra.assign(use=(contra["use"] == "Y").astype(int))
    for data in (
        numbers,
        contra.assign(use=numbers["use"] == 1),
        contra.assign(use=contra["use"].astype(str)),
    ):
        assert same(smf.mixedglm2(USE, data, families.Binomial()).fit(), fit)
    reverse = contra.assign(use=1 - numbers["use"])
    turned = smf.mixedglm2(USE, reverse, families.Binomial()).fit()
    np.testing.assert_allclose(turned.params, -fit.params, rtol=1e-4)


def test_ways_to_give_a_binomial_response(cbpp):
    data = cbpp.assign(healthy=cbpp["hsz"] - cbpp["incid"], share=cbpp["incid"] / cbpp["hsz"])
    fit = smf.mixedglm2(HERD, data, families.Binomial(), weights="hsz").fit()
    # lme4 2.1, glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp).
    assert fit.objective == pytest.approx(184.052563729527, abs=1e-6)
    for left, weights in [
        ("incid + healthy", None),
        ("incid + (hsz - incid)", None),
        ("share", data["hsz"].to_numpy()),
    ]:
        other = smf.mixedglm2(
            f"{left} ~ period + (1 | herd)", data, families.Binomial(), weights=weights
        )
        assert same(other.fit(), fit)
    with pytest.raises(DataError, match="2 columns, not one"):
        smf.mixedlm2("incid + healthy ~ period + (1 | herd)", data)


def test_one_row_for_each_trial_differs_by_the_binomial_coefficients(cbpp):
    rows = cbpp.loc[cbpp.index.repeat(cbpp["hsz"])].reset_index(names="row")
    rows["sick"] = rows.groupby("row").cumcount() < rows["incid"]
    single = smf.mixedglm2("sick ~ period + (1 | herd)", rows, families.Binomial()).fit()
    grouped = smf.mixedglm2(HERD, cbpp, families.Binomial(), weights="hsz").fit()
    n, k = cbpp["hsz"], cbpp["incid"]
    gammaln = scipy.special.gammaln
    ways = (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)).sum()
    assert grouped.llf - single.llf == pytest.approx(ways, abs=1e-7)
    np.testing.assert_allclose(grouped.params, single.params, rtol=1e-5)


def test_weights_of_counts_are_repeated_rows(ticks):
    data = ticks.head(120).assign(w=np.arange(120) % 3 + 1)
    formula = "ticks ~ cheight + (1 | brood)"
    weighted = smf.mixedglm2(formula, data, families.Poisson(), weights="w").fit()
    repeated = smf.mixedglm2(formula, data.loc[data.index.repeat(data["w"])], families.Poisson())
    assert same(weighted, repeated.fit())


def test_exposure_is_the_logarithm_in_the_offset():
    mmec = datasets.load("mmec")
    formula = "deaths ~ uvb + (1 | region)"
    fit = smf.mixedglm2(formula, mmec, families.Poisson(), exposure="expected").fit()
    # lme4 2.1, glmer(deaths ~ uvb + offset(log(expected)) + (1 | region), poisson).
    assert fit.objective == pytest.approx(2250.39992528091, abs=1e-6)
    mmec["logged"] = np.log(mmec["expected"])
    assert same(smf.mixedglm2(formula, mmec, families.Poisson(), offset="logged").fit(), fit)
    both = smf.mixedglm2(
        formula, mmec, families.Poisson(), offset=np.ones(len(mmec)), exposure="expected"
    ).fit()
    np.testing.assert_allclose(both.params, fit.params - [1, 0], rtol=1e-4)


def test_a_gaussian_family_with_the_identity_is_the_linear_model():
    sleep = datasets.load("sleepstudy")
    formula = "reaction ~ days + (days | subj)"
    linear = smf.mixedlm2(formula, sleep).fit()
    general = smf.mixedglm2(formula, sleep, families.Gaussian()).fit()
    assert same(general, linear, 1e-6)
    assert (general.dof, general.scale) == (linear.dof, pytest.approx(linear.scale, rel=1e-5))
    np.testing.assert_allclose(general.cov_re, linear.cov_re, rtol=1e-4)
    np.testing.assert_allclose(general.bse, linear.bse, rtol=1e-5)
    np.testing.assert_allclose(general.fittedvalues, linear.fittedvalues, rtol=1e-6)


def test_arrays_and_formula_agree(contra, fit):
    x = np.column_stack([np.ones(1934), contra["urban"] == "Y", contra["age"]]).astype(float)
    use = (contra["use"] == "Y").to_numpy()
    for endog in (contra["use"], use, use.astype(int), np.column_stack([use, ~use])):
        made = GeneralizedLinearMixedModel(endog, x, contra["dist"], family=families.Binomial())
        assert same(made.fit(), fit)
    labelled = GeneralizedLinearMixedModel(
        contra["use"], pd.DataFrame(x), contra["dist"], family=families.Binomial()
    )
    assert labelled.endog_names == "use"
    plain = GeneralizedLinearMixedModel(use, x, contra["dist"], family=families.Binomial()).fit()
    np.testing.assert_allclose(plain.predict(x[:2]), plain.predict()[:2])
    both = pd.DataFrame({"hits": use, "misses": ~use}).astype(int)
    named = GeneralizedLinearMixedModel(both, x, contra["dist"], family=families.Binomial())
    assert named.endog_names == "hits + misses"


def test_arrays_with_exposure_and_missing_values():
    mmec = datasets.load("mmec")
    x = np.column_stack([np.ones(len(mmec)), mmec["uvb"]])
    exposure = mmec["expected"].to_numpy().copy()
    exposure[:4] = np.nan
    arrays = (mmec["deaths"].to_numpy(), x, mmec["region"])
    made = GeneralizedLinearMixedModel(
        *arrays, family=families.Poisson(), exposure=exposure, missing="drop"
    )
    formula = "deaths ~ uvb + (1 | region)"
    by_formula = smf.mixedglm2(formula, mmec[4:], families.Poisson(), exposure="expected")
    assert same(made.fit(), by_formula.fit())
    with pytest.raises(DataError, match="exposure must be positive"):
        GeneralizedLinearMixedModel(
            *arrays, family=families.Poisson(), exposure=exposure * 0 - 1, missing="drop"
        )


def test_groups_as_statsmodels_mixedlm_has_them(contra, fit):
    old = smf.mixedglm2("use ~ age + urban", contra, families.Binomial(), groups="dist")
    assert same(old.fit(), fit)
    slope = smf.mixedglm2(
        "use ~ age + urban", contra, families.Binomial(), groups="dist", re_formula="1 + urban"
    )
    assert slope.theta_names == ["dist.Intercept", "dist.urban[T.Y].Intercept", "dist.urban[T.Y]"]


@pytest.mark.parametrize(
    "formula", [parse("y ~ x + (1 | g)"), term("y").follows(term("x"), term(1) | term("g"))]
)
def test_a_formula_need_not_be_text(formula):
    data = toy(families.Poisson())
    made = smf.mixedglm2(formula, data, families.Poisson())
    assert made.formula_full == "y ~ 1 + x + (1 | g)"


def test_functions_of_the_caller_are_found():
    def doubled(x):
        return 2 * x

    data = toy(families.Poisson())
    made = smf.mixedglm2("y ~ doubled(x) + (1 | g)", data, families.Poisson())
    np.testing.assert_allclose(made.exog[:, 1], 2 * data["x"])
    with pytest.raises(DataError, match="doubled"):
        smf.mixedglm2("y ~ doubled(x) + (1 | g)", data, families.Poisson(), eval_env=-1)


def test_subset_missing_and_contrasts(contra):
    some = smf.mixedglm2(USE, contra, families.Binomial(), subset="age > 0")
    assert some.nobs == (contra["age"] > 0).sum()
    holes = contra.assign(age=contra["age"].where(contra["age"] > 0))
    assert smf.mixedglm2(USE, holes, families.Binomial()).nobs == some.nobs
    with pytest.raises(DataError, match="age"):
        smf.mixedglm2(USE, holes, families.Binomial(), missing="raise")
    coded = smf.mixedglm2(USE, contra, families.Binomial(), contrasts={"urban": Treatment("Y")})
    assert "urban[T.N]" in coded.exog_names


# What is refused.


@pytest.mark.parametrize("options", [{"method": "bfgs"}, {"reml": True}, {"maxiter": 3}])
def test_unknown_options_are_not_ignored(model, options):
    with pytest.raises(TypeError, match=next(iter(options))):
        model.fit(**options)
    with pytest.raises(TypeError):
        smf.mixedglm2(USE, {}, families.Binomial(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_agq": 0}, "n_agq=0"),
        ({"n_agq": 2.5}, "n_agq must be a whole number, not 2.5"),
        ({"hessian": "exact"}, "hessian='exact'"),
        ({"cov_type": "HC0"}, "cov_type must be"),
        ({"fast": "yes"}, "fast must be"),
        ({"fast": True, "cov_type": "hessian"}, "fast=True"),
        ({"start": [1.0, 2.0]}, "start="),
        ({"ftol_abs": -1.0}, "ftol_abs"),
        ({"optimizer": "bfgs"}, "bfgs"),
    ],
)
def test_options_out_of_range(model, options, message):
    with pytest.raises(OptionError, match=message):
        model.fit(**options)


@pytest.mark.parametrize(
    ("formula", "family", "options", "error", "message"),
    [
        ("use ~ age + (1 | dist)", None, {}, OptionError, "family= is needed"),
        ("use ~ age + (1 | dist)", families.Poisson(), {}, DataError, "needs numbers"),
        ("livch ~ age + (1 | dist)", families.Binomial(), {}, DataError, "4 levels"),
        ("age ~ 1 + (1 | dist)", families.Gamma(), {}, DataError, "not positive"),
        ("use ~ age", families.Binomial(), {}, FormulaError, "no random-effects term"),
        ("use ~ x + (1 | z)", families.Binomial(), {}, DataError, "'x', 'z'"),
        ("use ~ age + (1 | dist)", families.Binomial(), {"exposure": "age"}, OptionError, "log"),
        ("one ~ age + (1 | dist)", families.Poisson(), {"exposure": "age"}, DataError, "exposure"),
        ("use ~ age + (1 | one)", families.Binomial(), {}, DataError, "single level"),
        ("use ~ age + (1 | row)", families.Binomial(), {}, DataError, "a single 0 or 1"),
        (
            "row ~ 1 + (1 | row)",
            families.Gamma(),
            {},
            DataError,
            "distinguished from the dispersion",
        ),
        ("use ~ big + (1 | dist)", families.Binomial(), {}, DataError, "infinite"),
    ],
)
def test_bad_input(contra, formula, family, options, error, message):
    table = contra.assign(one=1, row=np.arange(1934) + 1.0, big=np.inf)
    before = table.copy()
    with pytest.raises(error, match=message):
        smf.mixedglm2(formula, table, family, **options)
    pd.testing.assert_frame_equal(table, before)


def test_a_level_for_each_row_is_allowed_where_it_means_something(ticks, cbpp):
    counts = smf.mixedglm2("ticks ~ cheight + (1 | index)", ticks, families.Poisson())
    assert counts.design.blocks[0].z.shape == (403, 1)
    herds = cbpp.assign(row=np.arange(56))
    formula = f"{HERD} + (1 | row)"
    fit = smf.mixedglm2(formula, herds, families.Binomial(), weights="hsz").fit()
    # lme4 2.1, the same model: 174.638311082947.
    assert fit.objective == pytest.approx(174.638311082947, abs=1e-6)


# What is odd is said, by one warning each, at the line of the caller.


def caught(call):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        result = call()
    ours = [warning for warning in record if issubclass(warning.category, MixedModelWarning)]
    assert all(warning.filename == __file__ for warning in ours)
    return result, [warning.category for warning in ours]


def test_counts_that_are_not_whole():
    data = toy(families.Poisson())
    data["y"] += 0.5
    made, categories = caught(lambda: smf.mixedglm2("y ~ x + (1 | g)", data, families.Poisson()))
    assert categories == [MixedModelWarning]
    assert "The response y is not a whole number in 30 rows" in str(caught(made.fit)[0].summary())
    arrays = data["y"], data[["x"]], data["g"]
    _, categories = caught(lambda: GeneralizedLinearMixedModel(*arrays, family=families.Poisson()))
    assert categories == [MixedModelWarning]


def test_a_fit_that_does_not_settle_says_so(model):
    fit, categories = caught(lambda: model.fit(max_eval=2))
    assert categories == [ConvergenceWarning]
    assert not fit.converged
    assert "Not converged" in str(fit.summary()) and "no, 2 evaluations" in str(fit.summary())


def test_separation_names_the_columns(contra):
    older = (contra["use"] == "Y") & (contra["age"] > 10)
    data = contra.assign(sure=older.astype(float))
    for link in (links.Logit(), links.Probit(), links.LogLog()):
        made = smf.mixedglm2("use ~ age + sure + (1 | dist)", data, families.Binomial(link))
        fit, categories = caught(made.fit)
        assert SeparationWarning in categories
        assert fit.separated == ("sure",)
        assert "no finite estimate exists for the coefficients of sure" in str(fit.summary())


def test_separation_by_a_combination_of_columns():
    # No success below 0.4, no failure above: both coefficients run off.
    x = np.linspace(0, 1, 40)
    data = pd.DataFrame({"y": x > 0.4, "x": x, "g": np.arange(40) % 4, "z": np.cos(9 * x)})
    made = smf.mixedglm2("y ~ x + (1 | g)", data, families.Binomial())
    fit, categories = caught(made.fit)
    assert SeparationWarning in categories
    assert fit.separated == ("Intercept", "x")


def test_separation_of_counts(ticks):
    early = np.arange(403) < 20
    data = ticks.assign(early=early.astype(float), ticks=ticks["ticks"].where(~early, 0))
    made = smf.mixedglm2("ticks ~ early + (1 | location)", data, families.Poisson())
    fit, categories = caught(made.fit)
    assert SeparationWarning in categories
    assert fit.separated == ("early",)


def test_large_standard_errors_alone_are_no_separation():
    # Two columns that are nearly the same, and both outcomes everywhere.
    rng = np.random.default_rng(1)
    x = rng.normal(size=80)
    data = pd.DataFrame(
        {"y": rng.integers(0, 2, 80), "x": x, "z": x + 1e-3 * rng.normal(size=80), "g": range(80)}
    ).assign(g=np.arange(80) % 8)
    made = smf.mixedglm2("y ~ x + z + (1 | g)", data, families.Binomial())
    fit, categories = caught(made.fit)
    assert SeparationWarning not in categories
    assert fit.separated == () and fit.bse["z"] > 10


def test_a_level_with_successes_only_is_no_separation(contra):
    data = contra.assign(use=contra["use"].where(contra["dist"] != "D01", "Y"))
    fit, categories = caught(smf.mixedglm2(USE, data, families.Binomial()).fit)
    assert categories == [] and fit.converged
    assert np.isfinite(fit.ranef()["dist"].loc["D01", "Intercept"])


def test_dependent_columns_are_dropped(contra):
    data = contra.assign(twice=2 * contra["age"])
    made = smf.mixedglm2("use ~ age + twice + (1 | dist)", data, families.Binomial())
    fit, categories = caught(lambda: made.fit(cov_type="hessian"))
    assert categories == [RankWarning]
    assert fit.columns_dropped == ["twice"]
    plain = smf.mixedglm2("use ~ age + (1 | dist)", contra, families.Binomial())
    plain = plain.fit(cov_type="hessian")
    np.testing.assert_allclose(fit.coef, [*plain.params, np.nan], rtol=1e-5)
    np.testing.assert_allclose(fit.bse, plain.bse, rtol=1e-5)
    new = pd.DataFrame({"age": [2.0], "twice": [4.0]})
    assert fit.predict(new)[0] == pytest.approx(plain.predict(new)[0], rel=1e-5)


def test_no_variance_at_all_is_a_fact():
    data = pd.DataFrame({"y": [0, 1] * 20, "g": np.repeat(np.arange(10), 4)})
    made = smf.mixedglm2("y ~ 1 + (1 | g)", data, families.Binomial())
    fit, categories = caught(made.fit)
    assert categories == [SingularFitWarning]
    assert fit.objective == pytest.approx(40 * 2 * np.log(2))  # every row has chance 1/2
    assert fit.issingular() and fit.theta[0] == pytest.approx(0.0, abs=1e-6)
    assert fit.bse["Intercept"] == pytest.approx(np.sqrt(4 / 40), rel=1e-6)


def test_starting_elsewhere_gives_the_same_fit(model, fit):
    assert same(model.fit(start=[2.0]), fit, 1e-7)
    everything = [0.1, 0.0, 0.0, 0.0]
    other = model.fit(start=everything)
    assert same(other, fit, 1e-7)
    np.testing.assert_allclose(other.report.start, everything, atol=1e-12)
    assert same(model.fit(optimizer="LD_LBFGS"), fit, 1e-6)


def test_fitting_again_changes_no_earlier_result(model, fit):
    before = fit.objective, fit.params.copy(), fit.method
    model.fit(fast=True)
    model.fit(n_agq=5)
    assert (fit.objective, fit.method) == (before[0], before[2])
    pd.testing.assert_series_equal(fit.params, before[1])
    with pytest.raises(ValueError, match="read-only"):
        fit.theta[0] = 0.0


# Prediction by the model itself.


def test_prediction_from_coefficients(model, fit, contra):
    matrix = np.array([[1, 0, 5.0], [1, 1, -5.0]])
    linear = matrix @ fit.params.to_numpy()
    np.testing.assert_allclose(model.predict(fit.params, matrix, which="linear"), linear)
    np.testing.assert_allclose(model.predict(fit.params, matrix), 1 / (1 + np.exp(-linear)))
    np.testing.assert_allclose(model.predict(fit.params), fit.predict())
    with pytest.raises(OptionError, match="which must be"):
        model.predict(fit.params, matrix, which="var")
    mmec = datasets.load("mmec")
    counts = smf.mixedglm2(
        "deaths ~ uvb + (1 | region)", mmec, families.Poisson(), exposure="expected"
    )
    mean = counts.predict([0.1, 0.2], [[1.0, 3.0]], offset=[1.0], exposure=[5.0])
    np.testing.assert_allclose(mean, 5 * np.exp(0.1 + 0.6 + 1.0))
    np.testing.assert_allclose(counts.predict([0.1, 0.0])[0], np.exp(0.1) * mmec["expected"][0])
