"""Values of another kind than an option has are refused in a sentence that names the option."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_mixed import mixedglm2, mixedlm2, mixedordinal2
from statsmodels_mixed.errors import OptionError, SeparationWarning, SingularFitWarning


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(12), 10)
    table = pd.DataFrame({"g": g, "x": rng.normal(size=120), "a": np.tile(list("pqr"), 40)})
    eta = 0.4 * table["x"] + rng.normal(size=12)[g]
    table["y"] = eta + rng.normal(size=120)
    table["n"] = rng.poisson(np.exp(0.5 + 0.5 * eta))
    table["o"] = np.digitize(table["y"], [-1.0, 0.0, 1.0])
    return table


@pytest.fixture(scope="module")
def models(data):
    return {
        "linear": mixedlm2("y ~ x + a + (1 | g)", data),
        "counts": mixedglm2("n ~ x + a + (1 | g)", data, family=sm.families.Poisson()),
        "ordinal": mixedordinal2("o ~ x + (1 | g)", data),
    }


@pytest.fixture(scope="module")
def fits(models):
    return {name: model.fit() for name, model in models.items()}


STRANGE = [np.zeros((2, 2)), pd.Series([1.0]), [1, 2], {}, object(), b"x"]


@pytest.mark.parametrize("option", ["max_eval", "ftol_rel", "optimizer", "cov_type"])
@pytest.mark.parametrize("kind", ["linear", "counts", "ordinal"])
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)
def test_of_a_fit(models, kind, option, value):
    with pytest.raises(OptionError, match=rf"^{option} must be"):
        models[kind].fit(**{option: value})


@pytest.mark.parametrize("kind", ["linear", "counts"])
@pytest.mark.parametrize("value", [1e300, 2**31, 10**30])
def test_more_evaluations_than_can_be_counted(models, kind, value):
    with pytest.raises(OptionError, match="0 is no limit"):
        models[kind].fit(max_eval=value)


@pytest.mark.parametrize(
    ("function", "option"),
    [
        ("bootstrap", "n"),
        ("bootstrap", "threads"),
        ("bootstrap", "sigma"),
        ("power", "alpha"),
        ("profile", "level"),
        ("simulate", "n"),
        ("simulate", "re"),
        ("residuals", "kind"),
        ("anova", "dof"),
    ],
)
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)
def test_after_a_fit(fits, function, option, value):
    with pytest.raises(OptionError, match=rf"^{option} must be"):
        getattr(fits["linear"], function)(**{option: value})


def test_marginal_means(fits):
    for value in ([1, 2], "a", 2.5):
        with pytest.raises(OptionError, match=r"^at must be a dict or None"):
            fits["counts"].emmeans("a", at=value)
        with pytest.raises(OptionError, match=r"^var must be a name"):
            fits["counts"].emtrends("a", 1)


def test_numbers_of_numpy_are_numbers(fits, models):
    assert models["linear"].fit(max_eval=np.int64(50), ftol_rel=np.float32(1e-9)).converged
    assert fits["linear"].simulate(np.int32(2), seed=1).size == 2 * 120


def test_other_fits_are_no_options(data, fits):
    larger = mixedlm2("y ~ x + a + (1 + x | g)", data).fit()
    assert len(fits["linear"].anova(larger)) == 2


def test_counts_of_one_value_with_a_hurdle(data):
    with warnings.catch_warnings(), pytest.warns(SeparationWarning, match="no finite estimate"):
        warnings.simplefilter("ignore", SingularFitWarning)  # variances may be none, by rounding
        fit = mixedglm2(
            "n ~ x + (1 | g)", data.assign(n=1), family=sm.families.Poisson(), hurdle="~ x"
        ).fit()
    assert fit.separated
