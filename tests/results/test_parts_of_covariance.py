"""`cov_params` of some coefficients, by name or position, against the covariance of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import OptionError, datasets

SLEEP = smf.mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy"))


@pytest.fixture(scope="module")
def fit() -> Any:
    return SLEEP.fit()


@pytest.mark.parametrize("column", ["days", 1, -1, np.int64(1)])
def test_one_coefficient_is_a_number(fit: Any, column: Any) -> None:
    assert_allclose(fit.cov_params(column=column), fit.bse["days"] ** 2)
    assert np.ndim(fit.cov_params(column=column)) == 0


@pytest.mark.parametrize("column", [["days"], [1], ["days", "Intercept"], [0, 1]])
def test_several_coefficients_keep_their_names(fit: Any, column: Any) -> None:
    names = [name if isinstance(name, str) else fit.params.index[name] for name in column]
    pd.testing.assert_frame_equal(fit.cov_params(column=column), fit.vcov.loc[names, names])


def test_combinations(fit: Any) -> None:
    rows = np.array([[1.0, 2.0], [0.0, 1.0]])
    expected = rows @ fit.vcov.to_numpy() @ rows.T
    assert_allclose(fit.cov_params(r_matrix=rows), expected)
    assert_allclose(fit.cov_params(r_matrix=rows[0]), expected[0, 0])
    assert_allclose(fit.cov_params(r_matrix=rows[:1], other=rows[1:]), expected[:1, 1:])


@pytest.mark.parametrize("column", ["day", 2, True, 0.5, ["days", "x"]])
def test_unknown_coefficients(fit: Any, column: Any) -> None:
    with pytest.raises(OptionError, match=r"Intercept, days"):
        fit.cov_params(column=column)
