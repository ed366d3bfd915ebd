"""New data are opened once, at the door, and read the same way by all that predicts."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import polars
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal

from statsmodels_mixed import DataError, datasets
from statsmodels_mixed.errors import MixedModelError
from statsmodels_mixed.frame import new_data
from statsmodels_mixed.inference import simulate

NEW = {"days": [0.0, 3.0, 9.0], "subj": ["S308", "S309", "S372"], "w": [1.0, 2.0, 4.0]}


@cache
def fitted(formula: str = "reaction ~ days + (days | subj)", **options: str) -> Any:
    data = datasets.load("sleepstudy").assign(w=1.0 + np.arange(180) % 3, off=2.0)
    return smf.mixedlm2(formula, data, **options).fit()


def once() -> dict[str, Any]:
    """Columns that can be read a single time."""
    return {name: iter(values) for name, values in NEW.items()}


PREDICTIONS = {
    "predict": lambda fit, new: fit.predict(new, re=True),
    "predict, new levels": lambda fit, new: fit.predict(new, re=True, new_levels="missing"),
    "get_prediction": lambda fit, new: fit.get_prediction(new, re=True).conf_int(obs=True),
    "left out": lambda fit, new: fit.get_prediction(new).conf_int(obs=True),
    "simulate": lambda fit, new: simulate(fit, 3, seed=1, re="conditional", exog=new),
}


@pytest.mark.parametrize("call", PREDICTIONS.values(), ids=PREDICTIONS)
def test_columns_that_can_be_read_once(call):
    fit = fitted(weights="w")
    assert_array_equal(call(fit, once()), call(fit, pd.DataFrame(NEW)))


@pytest.mark.parametrize("call", PREDICTIONS.values(), ids=PREDICTIONS)
def test_a_table_is_opened_once(call, monkeypatch):
    opened = []

    def counting(data: Any) -> Any:
        opened.append(data)
        return open_table(data)

    open_table = new_data.open_table
    monkeypatch.setattr(new_data, "open_table", counting)
    call(fitted(weights="w"), pd.DataFrame(NEW))
    assert len(opened) == 1


def test_an_offset_is_matched_by_label_for_any_table():
    fit = fitted(offset="off")
    offset = pd.Series([30.0, 10.0, 20.0], index=[2, 0, 1])
    expected = fit.predict(pd.DataFrame(NEW), offset=[10.0, 20.0, 30.0])
    for new in (pd.DataFrame(NEW), NEW, polars.DataFrame(NEW)):
        assert_allclose(fit.predict(new, offset=offset), expected)
    with pytest.raises(DataError, match="the index of offset= lacks labels"):
        fit.predict(polars.DataFrame(NEW), offset=offset.set_axis([5, 6, 7]))


def test_columns_of_a_structured_array_are_found():
    fit = fitted(offset="off")
    frame = pd.DataFrame(NEW).drop(columns="subj").assign(off=[10.0, 20.0, 30.0])
    assert_allclose(fit.predict(frame.to_records(index=False).view(np.ndarray)), fit.predict(frame))


def test_a_matrix_has_no_columns_for_the_offset_of_the_formula():
    fit = fitted("reaction ~ days + offset(2 * w) + (days | subj)")
    new = pd.DataFrame(NEW)
    X = np.column_stack([np.ones(3), new["days"]])
    with pytest.raises(DataError, match="the model has an offset: give offset= for the new rows"):
        fit.predict(X, transform=False)
    given = fit.predict(X, transform=False, offset=2 * new["w"].to_numpy())
    assert_allclose(given, fit.predict(new))


def test_what_others_say_ends_as_a_sentence(data_of_messages):
    """Errors of pandas and of code in formulas end in sentences of ours, and so do requests."""
    table = data_of_messages
    fit = smf.mixedlm2("y ~ x + (1 | g)", table, offset=np.ones(len(table))).fit()
    for fails in (
        lambda: fit.predict(table.head(2)),
        lambda: smf.mixedlm2("y ~ x[{x}] + (1 | g)", table),
        lambda: smf.mixedlm2("y ~ np.nothing(x) + (1 | g)", table),
        lambda: smf.mixedlm2("y ~ x + (1 | g)", table, subset="nothing > 1"),
        lambda: smf.mixedlm2("y ~ x + (1 | g)", table, subset=["nowhere"]),
        lambda: smf.mixedlm2("y ~ x + (1 | g)", table, subset="1 +"),
    ):
        with pytest.raises(MixedModelError, match=r"[^.]\.$"):
            fails()


@pytest.fixture
def data_of_messages():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"g": np.repeat(np.arange(6), 5), "x": rng.normal(size=30)})
    return table.assign(y=rng.normal(size=30) + rng.normal(size=6)[table["g"]])
