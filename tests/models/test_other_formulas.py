"""Formulas beside that of the mean: names, missing values, new rows; such fits in files."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import statsmodels_mixed as smm
from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.errors import DataError


@pytest.fixture(scope="module")
def ticks() -> pd.DataFrame:
    data = smm.datasets.load("grouseticks")
    cuts, labels = [-1, 0, 5, 100], ["no", "few", "many"]
    return data.assign(many=pd.cut(data["ticks"], cuts, labels=labels))


@pytest.mark.parametrize("option", ["zero_inflation", "hurdle", "dispersion"])
def test_a_name_that_is_no_column_is_named_with_its_option(ticks, option):
    with pytest.raises(DataError, match=rf"{option}='~ heights': .* no column 'heights'.*'height'"):
        smm.mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "nbinom2", **{option: "~ heights"})
    with pytest.raises(DataError, match=rf"{option}='~ relevel\(year\)': relevel"):
        smm.mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "nbinom2", **{option: "~ relevel(year)"})


@pytest.mark.parametrize("option", ["zero_inflation", "hurdle", "dispersion"])
def test_missing_values_of_these_columns_are_dropped_and_counted(ticks, option):
    holes = ticks.copy()
    holes.loc[[3, 9], "height"] = np.nan
    options = {option: "~ scale(height)"}
    model = smm.mixedglm2("ticks ~ year + (1 | brood)", holes, "nbinom2", **options)
    assert "401, 2 with missing values left out" in str(model)
    within = holes.drop(index=[3, 9])
    same = smm.mixedglm2("ticks ~ year + (1 | brood)", within, "nbinom2", **options)
    assert_allclose(model._pieces[option][0], same._pieces[option][0], rtol=1e-12)
    with pytest.raises(DataError, match=r"'height' in 2 rows \(first: 3, 9\)"):
        smm.mixedglm2("ticks ~ year + (1 | brood)", holes, "nbinom2", missing="raise", **options)
    holes.loc[[3, 9], "height"] = np.inf
    with pytest.raises(DataError, match=rf"{option}=.* is infinite or NaN in 2 rows"):
        smm.mixedglm2("ticks ~ 1 + (1 | brood)", holes, "nbinom2", **{option: "~ height"})


def test_new_rows_without_a_column_or_its_value(ticks):
    fit = smm.mixedglm2(
        "ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ I(height / 100)"
    ).fit()
    few = ticks.head(4).copy()
    few.loc[2, "height"] = np.nan
    mean = fit.predict(few)
    assert_array_equal(np.isnan(mean), [False, False, True, False])
    zeta = fit.params["zi: Intercept"] + fit.params["zi: I(height / 100)"] * few["height"] / 100
    assert_allclose(mean, fit.predict(few, which="conditional") / (1 + np.exp(zeta)), rtol=1e-12)
    with pytest.raises(DataError, match=r"zero_inflation= cannot .* no column 'height'"):
        fit.predict(few.drop(columns="height"))


def test_fits_are_kept_in_files_and_by_pickle(ticks, tmp_path):
    zeros = {"zero_inflation": "~ log(height)", "dispersion": "~ year"}
    fits = [
        smm.mixedglm2("ticks ~ year + (1 | brood)", ticks, "nbinom2", **zeros).fit(),
        smm.mixedordinal2("many ~ cheight + (1 | brood)", ticks).fit(),
    ]
    for fit in fits:
        fit.to_dir(tmp_path / "fit")
        for again in (smm.open(tmp_path / "fit"), pickle.loads(pickle.dumps(fit))):
            assert again.params.equals(fit.params)
            assert_array_equal(again.predict(ticks.head(9)), fit.predict(ticks.head(9)))
            assert_array_equal(again.simulate(2, seed=1), fit.simulate(2, seed=1))
            assert again.summary().as_text() == fit.summary().as_text()


def test_variances_before_truncation():
    mu, phi = 2.3, 1.7
    counts = np.arange(4000.0)
    for family, wanted in (
        (smm.families.TruncatedNegativeBinomial, mu + mu**2 / phi),
        (smm.families.TruncatedNegativeBinomial1, mu * (1 + phi)),
        (smm.families.TruncatedPoisson, mu),
        (smm.families.TruncatedGeneralizedPoisson, mu * phi),
    ):
        assert family(dispersion=phi).variance(mu) == pytest.approx(wanted, rel=1e-12)
    # The variance is that of the distribution whose dispersion is 1 / phi in the core.
    outer = np.tile([-np.log(phi), 0.0, 0.0, 0.0], (4000, 1))
    rows, _ = row_derivatives("negative_binomial", "log", counts, np.full(4000, np.log(mu)), outer)
    variance = (np.exp(rows[:, 0]) * (counts - mu) ** 2).sum()
    assert variance == pytest.approx(mu + mu**2 / phi, rel=1e-9)
