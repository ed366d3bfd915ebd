"""A basis of X is made with one BLAS thread: several spin over a small triangle."""

from __future__ import annotations

import numpy as np
import pytest

from statsmodels_mixed._core import threads
from statsmodels_mixed.fitting.fixed_effects import basis as fixed_basis


@pytest.mark.parametrize("weights", [None, np.full(20, 2.0)])
def test_one_thread(monkeypatch, weights):
    counts = [4]
    controls = ((lambda: counts[-1], counts.append),)
    monkeypatch.setattr(threads, "_controls", lambda: controls)
    factor, seen = fixed_basis.cholesky_qr, []

    def watched(X, weights):
        seen.append(counts[-1])
        return factor(X, weights)

    monkeypatch.setattr(fixed_basis, "cholesky_qr", watched)
    X = np.column_stack([np.ones(20), np.arange(20.0)])
    basis = fixed_basis.orthonormal_basis(X, weights)
    assert seen == [1] and counts == [4, 1, 4]
    np.testing.assert_allclose(basis.Q @ basis.R, X, atol=1e-12)
