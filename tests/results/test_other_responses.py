"""Models and fits of another response: by the labels of its rows, and refused in words."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import datasets
from statsmodels_mixed.errors import DataError, OptionError

SLEEP, TICKS = datasets.load("sleepstudy"), datasets.load("grouseticks")
RATED = TICKS.assign(many=pd.cut(TICKS["ticks"], [-1, 0, 3, 99], labels=["none", "few", "many"]))
MODELS = {
    "linear": lambda: smf.mixedlm2("reaction ~ days + (days | subj)", SLEEP),
    "residual": lambda: smf.mixedlm2("reaction ~ days", SLEEP, residual="ar1(days | subj)"),
    "counts": lambda: smf.mixedglm2("ticks ~ year + (1 | brood)", TICKS, "poisson"),
    "inflated": lambda: smf.mixedglm2(
        "ticks ~ year + (1 | brood)", TICKS, "poisson", zero_inflation="~ 1"
    ),
    "ordinal": lambda: smf.mixedordinal2("many ~ year + (1 | brood)", RATED),
}


@pytest.fixture(scope="module", params=list(MODELS))
def fit(request):
    return MODELS[request.param]().fit()


def response(fit):
    """Return the response of a fit with the labels of its rows."""
    if hasattr(fit.model, "categories"):
        return RATED["many"]
    return pd.Series(fit.model.endog, index=fit.model.data.row_labels)


def test_labels_decide_which_row_has_which_response(fit):
    shuffled = response(fit).sample(frac=1, random_state=1)
    assert not shuffled.index.equals(response(fit).index)
    assert_allclose(fit.refit(shuffled).llf, fit.llf, rtol=1e-7)
    assert_allclose(fit.model.with_response(shuffled).fit().llf, fit.llf, rtol=1e-7)


def test_a_response_of_other_rows_is_refused(fit):
    elsewhere = response(fit).set_axis(np.arange(len(response(fit))) + 7)
    for take in (fit.refit, fit.model.with_response):
        with pytest.raises(DataError, match="index of y lacks labels"):
            take(elsewhere)


@pytest.mark.parametrize("y", [None, "abc", 3, np.nan, {"a": 1}, object(), [1, 2], [[1, 2]]])
def test_what_is_no_response_is_refused(fit, y):
    for take in (fit.refit, fit.model.with_response):
        with pytest.raises((OptionError, DataError), match=r"\by (must|has)"):
            take(y)


def test_a_formula_is_not_updated_over_another_response(fit):
    with pytest.raises(OptionError, match="not that of its formula"):
        fit.model.with_response(response(fit)).update(". ~ .")
