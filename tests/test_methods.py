"""Methods of results that hand over to functions: what users see of them."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import OptionError, datasets, inference
from statsmodels_mixed.results.afterwards import Afterwards


@cache
def sleep() -> Any:
    return smf.mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()


METHODS = [name for name in vars(Afterwards) if name in inference.__all__]


@pytest.mark.parametrize("name", METHODS)
def test_help_on_a_method_is_that_on_the_function(name):
    function, method = getattr(inference, name), getattr(sleep(), name)
    ours = list(inspect.signature(method).parameters.values())
    assert ours == list(inspect.signature(function).parameters.values())[1:]
    text, theirs = inspect.getdoc(method), inspect.getdoc(function)
    assert "result : " not in text
    for parameter in ours:
        assert f"{parameter.name}" in text
    assert text.endswith(theirs[-40:])


FUNCTIONS = [name for name in inference.__all__ if not isinstance(getattr(inference, name), type)]
FURTHER = {
    "bootstrap": (3,),
    "f_test": ("days = 0",),
    "power": (3,),
    "refit": ([1.0],),
    "simulate": (3,),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_mixed_model_is_refused(name):
    ols = smf.ols("reaction ~ days", datasets.load("sleepstudy")).fit()
    with pytest.raises(OptionError, match="needed, not RegressionResultsWrapper"):
        getattr(inference, name)(ols, *FURTHER.get(name, ()))


def test_labels_are_no_response_to_be_fitted_again():
    with pytest.raises(OptionError, match="0 and 1 for two labels"):
        sleep().refit(["a"] * 180)


def test_short_reprs():
    assert repr(sleep().get_prediction()) == "<MixedPrediction: 180 rows>"
    (components,) = sleep().re_pca().values()
    sdev = [round(value, 4) for value in components.sdev]
    assert repr(components) == f"<PrincipalComponents: subj; sdev {sdev}>"
