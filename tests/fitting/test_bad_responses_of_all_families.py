"""Responses that a family does not have: a sentence with the rows and the family that has them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from family_cases import FAMILIES, Case, spec_of, table

from statsmodels_mixed.errors import DataError

DATA = table(60, 6, 2)
COUNTS = ("counts", "positive counts")
SHARES = ("shares", "shares and ends", "trials")
CASES = [Case(family, spec_of(family).support, {}) for family in FAMILIES]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def refused(case: Case, values: Any) -> str:
    """Return the sentence that refuses a response."""
    with pytest.raises(DataError) as caught:
        case.model(DATA.assign(**{case.response: values}))
    message = str(caught.value)
    assert message.endswith(".")
    assert case.response in message
    return message


def changed(case: Case, value: float) -> np.ndarray:
    y = np.array(DATA[case.response], float)
    y[[3, 5]] = value
    return y


@each
def test_numbers_outside_of_the_support_are_refused_by_row(case: Case) -> None:
    outside = []
    if case.support not in ("real", "categories"):
        outside.append(-1.0)
    if case.support in SHARES:
        outside.append(1.5)
    if case.support in ("positive", "positive counts", "shares"):
        outside.append(0.0)
    if case.support == "shares":
        outside.append(1.0)
    for value in outside:
        message = refused(case, changed(case, value))
        assert "in 2 rows (first: 3, 5): " in message
        # What to do: another family, weights or a part of zeros.
        assert re.search(r'"\w+"|hurdle=|weights=|trials', message.split("first: 3, 5")[1])


@each
def test_infinite_and_missing_responses(case: Case) -> None:
    if case.support != "categories":
        assert "is infinite in 2 rows (first: 3, 5)" in refused(case, changed(case, np.inf))
    assert "no rows are left" in refused(case, np.full(len(DATA), np.nan))
    some = case.model(DATA.assign(**{case.response: changed(case, np.nan)}))
    assert some.nobs == len(DATA) - 2


@each
def test_responses_that_do_not_vary_are_refused_where_nothing_is_estimable(case: Case) -> None:
    value = 0.5 if case.support in ("shares", "shares and ends") else 1.0
    # Of counts that vary as Poisson ones at least the mean is estimable.
    narrower = ("generalized_poisson", "conway_maxwell_poisson")
    if case.support in COUNTS and case.family not in narrower:
        assert case.model(DATA.assign(**{case.response: value})).nobs == len(DATA)
    else:
        message = refused(case, np.full(len(DATA), value))
        assert re.search("is constant|in every row|has one category", message)
    if case.support == "counts":
        assert "is 0 in every row" in refused(case, np.zeros(len(DATA)))


@each
def test_labels_are_no_numbers(case: Case) -> None:
    if case.support not in ("trials", "categories"):
        labels = np.where(np.arange(len(DATA)) % 2, "a", "b")
        assert "holds labels ('a', 'b')" in refused(case, labels)


@each
def test_a_single_level_is_refused(case: Case) -> None:
    with pytest.raises(DataError, match=r"'g' has a single level \(1\)"):
        case.model(DATA.assign(g=1))


def test_counts_that_are_not_whole_are_said() -> None:
    for case in CASES:
        if case.support in COUNTS:
            with pytest.warns(UserWarning, match=r"not a whole number in 2 rows \(first: 3, 5\)"):
                case.model(DATA.assign(**{case.response: changed(case, 1.5)})).fit()
