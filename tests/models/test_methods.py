"""Methods of results that hand over to functions: what users see of them."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import OptionError, datasets, inference
from statsmodels_mixed.models.methods import Methods


@cache
def sleep() -> Any:
    return smf.mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()


def _methods() -> list[str]:
    return [name for name in inference.__all__ if name in vars(Methods)]


def test_the_functions_of_a_fit_are_methods():
    kinds = {"coefficient_tests", "denominators", "f_test", "varpar_cov"}  # part of testing
    assert {*_methods(), *kinds} == set(FUNCTIONS)


@pytest.mark.parametrize("name", _methods())
def test_a_method_is_the_function(name):
    method = getattr(sleep(), name)
    assert method.__func__ is getattr(inference, name)
    ours = list(inspect.signature(method).parameters.values())
    assert ours == list(inspect.signature(getattr(inference, name)).parameters.values())[1:]


FUNCTIONS = [name for name in inference.__all__ if not isinstance(getattr(inference, name), type)]
FURTHER = {
    "bootstrap": (3,),
    "emmeans": ("days",),
    "emtrends": ("1", "days"),
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
