"""How many BLAS threads there are while a workspace evaluates."""

from __future__ import annotations

import pytest

from statsmodels_mixed._core import LARGE_TAIL, one_blas_thread, threads


@pytest.fixture
def counts(monkeypatch):
    """Two BLAS libraries that are asked for numbers of threads, the last one counting."""
    counts = [[4], [2]]
    controls = tuple((lambda c=c: c[-1], c.append) for c in counts)
    monkeypatch.setattr(threads, "_controls", lambda: controls)
    return counts


def test_one_thread_for_small_matrices(counts):
    small = threads.blas_threads(LARGE_TAIL - 1)
    with pytest.raises(ZeroDivisionError), small:
        assert [c[-1] for c in counts] == [1, 1]
        1 / 0  # noqa: B018
    assert counts == [[4, 1, 4], [2, 1, 2]]


def test_all_threads_for_large_matrices(counts):
    with threads.blas_threads(LARGE_TAIL):
        assert counts == [[4], [2]]


def test_nested_blocks_change_nothing(counts):
    with one_blas_thread():
        for _ in range(3):
            with threads.blas_threads(1):
                pass
        assert counts == [[4, 1], [2, 1]]
    assert counts == [[4, 1, 4], [2, 1, 2]]
