"""Standard errors of fits in which some covariance parameters are not determined."""

from __future__ import annotations

import pytest
from fuzz.relations import check


@pytest.mark.filterwarnings("ignore")
def test_covariances_of_lower_rank_that_run_to_infinity():
    # T of rank one and 1e9: numpy said "Singular matrix".
    assert check(624961).failures == []
