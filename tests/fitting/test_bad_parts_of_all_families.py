"""Formulas for zeros and dispersion, weights and offsets that no family takes: who says what.

One table for all families: what is given, and the words that the sentence must have.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from family_cases import FAMILIES, Case, spec_of, table

from statsmodels_mixed.errors import MixedModelError

DATA = table(60, 6, 2).assign(
    twice=lambda d: 2 * d["x"],
    constant=1.0,
    label=lambda d: np.where(d.index % 2, "a", "b"),
    gone=np.nan,
    beyond=lambda d: np.where(d.index == 3, np.inf, d["x"]),
    below=lambda d: np.where(d.index == 3, -1.0, 1.0),
    nothing=lambda d: np.where(d.index == 3, 0.0, 1.0),
    day=pd.Timestamp("2020-01-01"),
    row=lambda d: d.index.astype(str),
)
PARTS = ("dispersion", "zero_inflation", "hurdle")
# Formula, and a pattern in which {} is the option.
FORMULAS = {
    "~ nosuch": r"{}='~ nosuch': the data have no column 'nosuch'",
    "~ X": r"{}='~ X': the data have no column 'X' \(did you mean 'x'\?\)",
    "~ x + (1 | nosuch)": r"the data have no column 'nosuch'|{}= has fixed effects only",
    "~ x + twice": r"{}= is not identified: \w+: twice depends linearly",
    "~ constant": r"{}= is not identified: \w+: constant depends linearly",
    "~ row": r"{}= is not identified: it has 60 coefficients for 60 rows; leave terms out",
    "~ 0": r"{}='~ 0' needs an intercept or another fixed effect",
    "~ gone": r"values are missing of 'gone' in 60",
    "~ beyond": r"{}='~ beyond' is infinite or NaN in 1 row \(first: 3\)",
    "~ day": r"{}='~ day': 'day' holds dates or times: turn them into",
    "~ x +": r"a term is missing after \+",
    "x": r"{}= is a formula such as \"~ x\", not 'x'",
    "y ~ x": r"{}= is a formula such as \"~ x\", not 'y ~ x'",
}
# Option, value and pattern.
COLUMNS = [
    ("weights", "nosuch", r"no column 'nosuch'"),
    ("weights", "below", r"in 1 row \(first: 3\) the weights are negative"),
    ("weights", "nothing", r"in 1 row \(first: 3\) the weights are zero: .* subset="),
    ("weights", "beyond", r"in 1 row \(first: 3\) the weights are infinite"),
    ("weights", "label", r"weights= \(column '\w+'\) must be numbers, not str"),
    ("offset", "nosuch", r"no column 'nosuch'"),
    ("offset", "beyond", r"the offset is infinite in 1 row \(first: 3\)"),
    ("offset", "label", r"offset= \(column 'label'\) must be numbers, not str"),
]
CASES = [Case(family, spec_of(family).support, {}) for family in FAMILIES]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def refused(case: Case, data: pd.DataFrame, **options: Any) -> str:
    """Return the first line of what refuses options."""
    with pytest.raises(MixedModelError) as caught:
        case.model(data, **options)
    return str(caught.value).split("\n")[0]


def without_part(case: Case, part: str) -> str | None:
    """Return what a family says that has no such part; None for those that have it."""
    spec = spec_of(case.family)
    if case.family == "ordered":
        return r"mixedglm2 is for counts|nominal="
    if part == "dispersion":
        return None if spec.has_dispersion else "has no dispersion for dispersion= to model"
    if case.support == "real":
        return f'{part}= is not for the family {case.family}: .*"tweedie"'
    if case.support == "shares and ends":
        return f'{part}= is not for the family {case.family}: .*"beta" takes hurdle='
    if part == "hurdle" and case.support in ("trials", "not negative"):
        return f"hurdle= is not for the family {case.family}, .*: write zero_inflation="
    return None


@each
@pytest.mark.parametrize("part", PARTS)
def test_formulas_of_parts(case: Case, part: str) -> None:
    missing = without_part(case, part)
    if missing is not None:
        assert re.search(missing, refused(case, DATA, **{part: "~ x"}))
        return
    for text, pattern in FORMULAS.items():
        message = refused(case, DATA, **{part: text})
        assert re.search(pattern.format(part), message), (text, message)


@each
def test_two_models_of_zeros(case: Case) -> None:
    pattern = "mixedglm2 is for counts" if case.family == "ordered" else "give one"
    assert pattern in refused(case, DATA, zero_inflation="~ 1", hurdle="~ 1")


@each
def test_columns_of_weights_and_offsets(case: Case) -> None:
    for option, column, pattern in COLUMNS:
        data, given = DATA, {option: column}
        if option == "weights" and case.support == "trials":  # those are the trials
            if column == "nosuch":
                continue
            data, given = DATA.assign(trials_of_row=DATA[column]), {}
        message = refused(case, data, **given)
        assert re.search(pattern, message), (option, column, message)
