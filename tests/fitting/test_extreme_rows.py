"""Log-likelihoods of rows far out, against decimals of hundreds of digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed._core import row_derivatives

FILE = Path(__file__).parents[1] / "reference" / "families" / "extreme_rows.json"
ROWS = json.loads(FILE.read_text())["rows"]


def name_of(row: dict[str, Any]) -> str:
    return f"{row['family']} {row['eta']} {row['log_phi']} {row['y']}"


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_rows_are_those_of_decimals(row: dict[str, Any]) -> None:
    """Means of e^-690 to 1e130, dispersions of e^-30 to e^30, counts of 1e12."""
    trials = np.array([12.0]) if row["family"] == "beta_binomial" else None
    outer = [row["log_phi"], 2.0 if row["family"] == "student_t" else 0.0, 0.0, 0.0]
    in_eta, in_others = row_derivatives(
        row["family"], row["link"], np.array([row["y"]]), np.array([float(row["eta"])]),
        np.array([outer]), weights=trials,
    )  # fmt: skip
    found = [*in_eta[0, :3], in_others[0, 0, 0], in_others[0, 1, 0]]
    assert_allclose(found, row["values"], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("log_phi", [-30.0, -20.0, -9.0, -8.0, -7.0])
@pytest.mark.parametrize("mu", [1.0, 2.0, 3.0, 17.0])
def test_com_poisson_with_a_whole_mean_has_finite_rows(mu: float, log_phi: float) -> None:
    """At the mean the probability is 1; the neighbours are equally rare."""
    y = np.array([mu, mu - 1, mu + 1, mu + 5])
    in_eta, in_others = row_derivatives(
        "conway_maxwell_poisson", "identity", y, np.full(4, mu), np.tile([log_phi, 0, 0, 0], (4, 1))
    )
    assert np.isfinite(in_eta).all()
    assert np.isfinite(in_others).all()
    assert in_eta[0, 0] == pytest.approx(0.0, abs=1e-12)
    assert in_eta[0, 1] == 0.0
    wanted = 0.5 * np.exp(-log_phi) * np.log(mu / (mu + 1))
    assert_allclose(in_eta[1:3, 0], wanted, rtol=1e-9)
