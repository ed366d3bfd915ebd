"""What `check` says of fits with covariance structures, and how messages name levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed.errors import DataError


@pytest.fixture(scope="module")
def field():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.uniform(0.0, 10.0, (60, 2)), columns=["lon", "lat"])
    apart = np.linalg.norm(data.to_numpy()[:, None] - data.to_numpy(), axis=2)
    root = np.linalg.cholesky(np.exp(-apart / 2.0) + 1e-9 * np.eye(60))
    data["y"] = 1.5 * root @ rng.normal(size=60) + 0.5 * rng.normal(size=60)
    return data.assign(field="all")


def test_a_field_of_one_level_is_no_problem(field):
    fit = mixedlm2("y ~ 1 + exp(0 + lon + lat | field)", field).fit()
    assert fit.check().problems == []


def test_serial_effects_beside_one_row_each_are_no_problem():
    sleep = datasets.load("sleepstudy")
    fit = mixedlm2("reaction ~ days + ar1(0 + days | subj)", sleep).fit(reml=True)
    assert fit.check().problems == []


def test_few_levels_of_other_terms_are_said(field):
    data = field.assign(g=np.arange(60) % 3)
    data["y"] += data["g"] * 2.0
    fit = mixedlm2("y ~ 1 + (1 | g) + exp(0 + lon + lat | field)", data).fit()
    assert [(one.code, one.where) for one in fit.check().problems] == [("few_levels", "g")]


def test_one_subject_is_one(field):
    model = mixedlm2("y ~ 1", field, residual="exp(lon + lat | field, nugget=True)")
    assert "nugget=True), 1 subject." in str(model.fit().summary())


# The rise has no end: whether the last step counts as one depends on the rounding of the BLAS.
@pytest.mark.filterwarnings("ignore:the fit did not converge")
def test_a_range_beyond_all_distances_is_said(field):
    # The restricted likelihood of these rises towards a linear variogram.
    steep = field.head(25).assign(y=lambda table: table["lon"] + table["y"] / 3.0)
    fit = mixedlm2("y ~ 1 + exp(0 + lon + lat | field)", steep).fit(reml=True)
    assert fit.covariance_structures["estimate"].iloc[1] > 1000.0
    assert "times the largest distance" in str(fit.summary())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"animal": [1, 2, 2], "sire": 0, "dam": 0}, "two rows for the animal 2"),
        ({"animal": [1, 2, 3], "sire": [2, 1, 0], "dam": 0}, "the animal [12] is its own ancestor"),
        ({"animal": [7, 8], "sire": 0, "dam": 0}, "does not have the levels 1, 2, 3 of the data"),
    ],
)
def test_levels_are_shown_as_they_are(table, message):
    data = pd.DataFrame({"animal": [1, 2, 3] * 2, "y": [1.0, 2.0, 4.0, 3.0, 2.0, 1.0]})
    with pytest.raises(DataError, match=message):
        mixedlm2("y ~ 1 + (1 | animal)", data, pedigree=pd.DataFrame(table))
