"""Where names in a formula are looked up, by every way to make a model."""

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import LinearMixedModel, mixedglm2, mixedlm2, mixedordinal2
from statsmodels_mixed.errors import DataError, OptionError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    table = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "x": rng.normal(size=48)})
    table["y"], table["n"] = rng.normal(size=48), rng.poisson(3, size=48)
    return table.assign(o=np.clip(table["n"], 2, 4), t=np.tile(np.arange(6), 8))


MAKE = {
    "linear": lambda *args, **kwargs: mixedlm2(*args, **kwargs),
    "class": lambda *args, **kwargs: LinearMixedModel.from_formula(*args, **kwargs),
    "counts": lambda *args, **kwargs: mixedglm2(*args, family="poisson", **kwargs),
    "ordinal": lambda *args, **kwargs: mixedordinal2(*args, **kwargs),
    "residual": lambda *args, **kwargs: mixedlm2(*args, residual="ar1(t | g)", **kwargs),
}
RESPONSES = {"counts": "n", "ordinal": "o"}


@pytest.mark.parametrize("kind", MAKE)
def test_names_are_those_of_the_caller(kind, data):
    def third(values):
        return values / 3

    formula = f"{RESPONSES.get(kind, 'y')} ~ third(x) + (1 | g)"
    # The lambda calls, and its caller is meant.
    model = MAKE[kind](formula, data, eval_env=1)
    np.testing.assert_array_equal(model.exog[:, -1], data["x"] / 3)
    again = model.update(". ~ . + third(t)", data)
    np.testing.assert_array_equal(again.exog[:, -1], data["t"] / 3)


@pytest.mark.parametrize("kind", MAKE)
def test_changes_of_strangers_run_no_code(kind, data):
    """An update with eval_env=-1 is read as a formula with functions="safe" is."""
    model = MAKE[kind](f"{RESPONSES.get(kind, 'y')} ~ x + (1 | g)", data)
    with pytest.raises(DataError, match="nor one of the functions allowed here"):
        model.update(". ~ . + print(t)", data, eval_env=-1)


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("value", [None, 2.5, "x", [1], np.zeros(3), 10**30, 5000])
def test_names_of_another_kind(kind, value, data):
    formula = f"{RESPONSES.get(kind, 'y')} ~ x + (1 | g)"
    with pytest.raises(OptionError, match=r"^eval_env(= counts| must be a number)"):
        MAKE[kind](formula, data, eval_env=value)


def test_a_number_of_numpy_counts_callers(data):
    half = 0.5
    model = mixedlm2("y ~ I(half * x) + (1 | g)", data, eval_env=np.int64(0))
    np.testing.assert_array_equal(model.exog[:, 1], half * data["x"])
