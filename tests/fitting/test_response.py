"""Responses: the forms a family takes, and the values it refuses."""

import re

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import DataError, parse
from statsmodels_mixed.fitting.families.response import prepare_response
from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.frame.build import build_frame
from statsmodels_mixed.frame.design import build_design

BINOMIAL = FamilySpec("binomial", "logit")
POISSON = FamilySpec("poisson", "log")
NEGATIVE = FamilySpec("negative_binomial", "log", 1.0, True)
GAMMA = FamilySpec("gamma", "log", 1.0, True)
INVERSE = FamilySpec("inverse_gaussian", "log", 1.0, True)
GAUSSIAN = FamilySpec("gaussian", "log", 1.0, True)

ROWS = pd.Index(list("pqrstu"))
DATA = pd.DataFrame(
    {
        "g": list("aabbcc"),
        "hits": [0, 2, 3, 1, 4, 2],
        "misses": [3, 2, 0, 1, 1, 2],
        "n": [3, 4, 3, 2, 5, 4],
    },
    index=ROWS,
)
OUTCOMES = [0, 1, 1, 0, 1, 0]


def prepared(left, spec, weights=None, **columns):
    frame = build_frame(
        parse(f"{left} ~ 1 + (1 | g)"), DATA.assign(**columns), weights=weights, missing="none"
    )
    return prepare_response(build_design(frame), spec, frame.index)


@pytest.mark.parametrize(
    "y",
    [
        OUTCOMES,
        [float(y) for y in OUTCOMES],
        [bool(y) for y in OUTCOMES],
        ["yes" if y else "no" for y in OUTCOMES],
        pd.Categorical(["A" if y else "B" for y in OUTCOMES], categories=["B", "A"]),
        pd.Series(OUTCOMES, index=ROWS, dtype="boolean"),
    ],
)
def test_binary_responses(y):
    # True, or the second level, counts as success.
    design, notes = prepared("y", BINOMIAL, y=y)
    assert design.y.tolist() == OUTCOMES
    assert (design.weights, notes) == (None, ())


@pytest.mark.parametrize(
    ("left", "weights"),
    [
        ("hits + misses", None),
        ("hits + (n - hits)", None),
        ("I(n - misses) + misses", None),
        ("hits / n", "n"),
        ("share", "n"),
    ],
)
def test_proportions(left, weights):
    design, notes = prepared(left, BINOMIAL, weights, share=DATA["hits"] / DATA["n"])
    np.testing.assert_allclose(design.y, DATA["hits"] / DATA["n"])
    np.testing.assert_array_equal(design.weights, DATA["n"])
    assert design.y.shape == (6,) and notes == ()


def test_trials_of_one_are_no_weights():
    ones, zeros = np.array(OUTCOMES), 1 - np.array(OUTCOMES)
    assert prepared("ones + zeros", BINOMIAL, ones=ones, zeros=zeros)[0].weights is None
    assert prepared("ones", BINOMIAL, np.ones(6), ones=ones)[0].weights is None


def test_preparing_twice_changes_nothing():
    once, _ = prepared("hits + misses", BINOMIAL)
    again, notes = prepare_response(once, BINOMIAL)
    np.testing.assert_array_equal(again.y, once.y)
    np.testing.assert_array_equal(again.weights, once.weights)
    assert notes == ()


@pytest.mark.parametrize(
    ("spec", "y"),
    [
        (POISSON, [0, 1, 5, 2, 0, 7]),
        (POISSON, [2] * 6),
        (NEGATIVE, [0, 1, 5, 2, 0, 7]),
        (GAMMA, [0.1, 1, 2, 3, 4, 5]),
        (INVERSE, [0.1, 1, 2, 3, 4, 5]),
        (GAUSSIAN, [-1, 0, 2, 3, 4, 5]),
    ],
)
def test_other_families_take_the_response_and_the_weights_as_they_are(spec, y):
    design, notes = prepared("y", spec, "n", y=y)
    np.testing.assert_array_equal(design.y, y)
    np.testing.assert_array_equal(design.weights, DATA["n"])
    assert notes == ()


@pytest.mark.parametrize(
    ("left", "spec", "weights", "columns", "message"),
    [
        # binomial
        ("hits", BINOMIAL, None, {}, r"'hits' is outside of 0 to 1 in 4 rows \(first: q, r, t\)"),
        ("hits", BINOMIAL, "n", {}, r"successes \+ failures"),
        ("y", BINOMIAL, None, {"y": [-1, 1, 0, 0, 1, 1]}, r"1 row \(first: p\)"),
        ("hits / n", BINOMIAL, None, {}, r"4 rows \(first: q, s, t\).*trials as weights="),
        ("y", BINOMIAL, None, {"y": 0}, "'y' is 0 in every row"),
        ("y", BINOMIAL, None, {"y": True}, "'y' is 1 in every row"),
        ("z + n", BINOMIAL, None, {"z": 0}, "is 0 in every row"),
        ("y", BINOMIAL, None, {"y": "yes"}, r"1 level \('yes'\)"),
        ("y", BINOMIAL, None, {"y": list("abcabc")}, r"3 levels \('a', 'b', 'c'\).*second"),
        ("hits + misses", BINOMIAL, "n", {}, "leave weights= out"),
        ("hits + misses", BINOMIAL, None, {"misses": [1, 2, -1, 1, 1, 1]}, r"\(first: r\)"),
        ("hits + misses", BINOMIAL, None, {"misses": 0}, r"no trials in 1 row \(first: p\)"),
        ("y + hits", BINOMIAL, None, {"y": list("ababab")}, "3 columns.*successes"),
        # counts
        ("y", POISSON, None, {"y": [1, -2, 3, -4, 5, 6]}, r"negative in 2 rows \(first: q, s\)"),
        ("y", NEGATIVE, None, {"y": [1, -2, 3, -4, 5, 6]}, r"negative in 2 rows"),
        ("y", POISSON, None, {"y": 0}, "is 0 in every row"),
        ("y", POISSON, None, {"y": list("ababab")}, "family poisson needs numbers"),
        ("hits + misses", POISSON, None, {}, "has 2 columns, not one"),
        # the others
        ("hits", GAMMA, None, {}, r"'hits' is not positive in 1 row \(first: p\)"),
        ("hits", INVERSE, None, {}, "not positive in 1 row"),
        ("y", GAMMA, None, {"y": 2.5}, r"constant \(2\.5\)"),
        ("y", GAUSSIAN, None, {"y": 2.5}, r"constant \(2\.5\)"),
    ],
)
def test_responses_that_are_refused(left, spec, weights, columns, message):
    with pytest.raises(DataError, match=message):
        prepared(left, spec, weights, **columns)


@pytest.mark.parametrize(
    ("left", "spec", "weights", "columns", "note"),
    [
        ("y", POISSON, None, {"y": [0.5, 1, 2, 3, 4, 5]}, "response y is not a whole number"),
        ("y", NEGATIVE, None, {"y": [0.5, 1, 2, 3, 4, 5]}, r"1 row \(first: p\)"),
        ("y + n", BINOMIAL, None, {"y": [0.5, 1, 2, 3, 4, 5]}, r"1 row \(first: p\)"),
        ("hits / n", BINOMIAL, "w", {"w": DATA["n"] + 0.5}, "number of trials.*6 rows"),
        ("y", BINOMIAL, "n", {"y": [0.5, 0, 1, 0.5, 1, 0.5]}, r"y times.*1 row \(first: p\)"),
    ],
)
def test_counts_that_are_not_whole_are_noted(left, spec, weights, columns, note):
    design, notes = prepared(left, spec, weights, **columns)
    assert len(notes) == 1 and re.search(note, notes[0])
    assert np.isfinite(design.y).all()


def test_rounded_proportions_count_as_whole():
    # 0.333333 of 3 is one success.
    share = (DATA["hits"] / DATA["n"]).round(6)
    assert prepared("share", BINOMIAL, "n", share=share)[1] == ()
