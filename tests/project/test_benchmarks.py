"""The benchmark beside other programs fails where an answer is another than theirs."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return import_module("peers.rows"), import_module("peers.tables")


def test_every_model_has_an_answer(peers):
    rows, _ = peers
    assert all(np.isfinite(row.answer) and row.within <= 0.05 for row in rows.ROWS)


@pytest.mark.parametrize(
    ("reached", "said"),
    [
        ({"objective": 10.00005}, None),
        ({"objective": 10.2}, "a: our objective is 10.2, not 10.0"),
        ({"objective": float("nan")}, "a: our objective is nan, not 10.0"),
        ({"error": "longer than 1 s"}, "a: our objective is longer than 1 s, not 10.0"),
    ],
)
def test_another_answer_is_told(peers, reached, said):
    _, tables = peers
    ours = {"row": "a", "program": "statsmodels_mixed", **reached}
    theirs = {"row": "a", "program": "glmm", "objective": 99.0}
    measured = {"answers": {"a": [10.0, 1e-4]}, "results": [ours, theirs]}
    assert tables.wrong_answers(measured) == ([] if said is None else [said])
