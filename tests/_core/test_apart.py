"""Columns are far from dependent when a QR decomposition, the last column first, says so."""

from __future__ import annotations

import numpy as np
import pytest

from statsmodels_mixed._core.coordinates import APART, _are_apart


@pytest.mark.parametrize("weighted", [False, True])
def test_against_qr(weighted):
    rng = np.random.default_rng(1)
    answers = set()
    for _ in range(300):
        k, n = int(rng.integers(1, 5)), int(rng.integers(5, 12))
        mixing = np.eye(k) + rng.normal(size=(k, k)) * rng.choice([0, 0.3, 3])
        columns = rng.normal(size=(n, k)) @ mixing
        weights = rng.uniform(0.5, 2, n) if weighted else None
        whole = columns * (1 if weights is None else np.sqrt(weights)[:, None])
        R = np.linalg.qr(whole[:, ::-1], mode="r")
        new = np.abs(np.diag(R)) / np.linalg.norm(whole[:, ::-1], axis=0)
        assert _are_apart(columns, weights) == (new.min() > APART)
        answers.add(bool(new.min() > APART))
    assert answers == {True, False}


def test_in_doubt_columns_are_not_apart():
    assert not _are_apart(np.zeros((5, 2)), None)
    assert not _are_apart(np.full((5, 2), np.nan), None)
