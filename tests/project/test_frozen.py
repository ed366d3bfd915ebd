"""Frozen dataclasses that are made quickly are those of dataclasses."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from statsmodels_mixed._frozen import quickly_made


@dataclass(frozen=True)
class Usual:
    """Two needed, two with defaults."""

    a: int
    b: str
    c: float = 1.5
    d: dict = field(default_factory=dict)


@quickly_made
@dataclass(frozen=True)
class Quick:
    """Two needed, two with defaults."""

    a: int
    b: str
    c: float = 1.5
    d: dict = field(default_factory=dict)


def test_attributes_and_defaults():
    assert vars(Quick(1, "x")) == vars(Usual(1, "x")) == {"a": 1, "b": "x", "c": 1.5, "d": {}}
    assert vars(Quick(b="x", a=1, d=2)) == vars(Usual(b="x", a=1, d=2))
    assert Quick(1, "x").d is not Quick(1, "x").d
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
        Quick(1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'e'"):
        Quick(1, "x", e=3)


def test_signature_and_words():
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Usual).parameters)
    assert Quick.__init__.__annotations__ == Usual.__init__.__annotations__
    assert repr(Quick(1, "x")) == repr(Usual(1, "x")).replace("Usual", "Quick")


def test_frozen_comparable_and_copied():
    one = Quick(1, "x")
    with pytest.raises(FrozenInstanceError):
        one.a = 2
    assert one == Quick(1, "x") and one != Quick(2, "x")
    assert replace(one, a=3) == Quick(3, "x")
    assert pickle.loads(pickle.dumps(one)) == copy.copy(one) == copy.deepcopy(one) == one
