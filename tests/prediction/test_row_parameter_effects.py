"""Predictions with random effects of models with several formulas, and of ordinal ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_matrix

import statsmodels_mixed as smm
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.fitting.distributional.curvature import (
    effects_matrix,
    variances_of_effects,
)

HERE = Path(__file__).parents[1] / "reference" / "families"
NEW = pd.DataFrame(
    {"spp": ["GP", "PR", "DM"], "mined": ["yes", "no", "no"], "site": ["R-1", "VF-1", "new"]}
)


# predict(type = , se.fit = TRUE) of glmmTMB 1.1.5: two sites and a new one, or re.form = NA
GLMMTMB = {
    ("mean", True): [0.25145264874, 0.48412292807, 2.5504884583],
    ("mean", False): [0.21265351429, 0.47832865498, 2.5504884583],
    ("conditional", True): [0.48434310485, 0.49789804886, 2.6230594616],
    ("linear", True): [-0.72496172909, -0.69735994408, 0.96434136994],
    ("linear", False): [-0.89255227781, -0.70940074321, 0.96434136994],
}
ERRORS = {
    ("mean", True): [0.087245769581, 0.206937178, 1.1913921967],
    ("mean", False): [0.057605415245, 0.12697889612, 0.50763508247],
    ("conditional", True): [0.21354590784, 0.21810977322, 1.2423102],
    ("linear", True): [0.44089800329, 0.43806111255, 0.47361114689],
    ("linear", False): [0.40147605964, 0.28441810204, 0.21381814233],
}


@pytest.mark.parametrize(("which", "re"), GLMMTMB)
def test_predictions_are_those_of_glmmtmb(inflated, which, re):
    found = inflated.get_prediction(NEW, which=which, re=re, new_levels="population")
    assert_allclose(found.predicted_mean, GLMMTMB[which, re], rtol=1e-4, atol=1e-5)
    assert_allclose(found.se_mean, ERRORS[which, re], rtol=1e-4)


def test_effects_on_zeros_take_part(random_zeros):
    # glmmTMB 1.1.5 with ziformula = ~ mined + (1 | site)
    found = random_zeros.get_prediction(NEW, re=True, new_levels="population")
    assert_allclose(found.predicted_mean, [0.3333658, 2.2514206, 2.2497468], rtol=1e-4)
    assert_allclose(found.se_mean, [0.1290581, 0.5710272, 0.7592165], rtol=1e-4)
    one = random_zeros.get_prediction(NEW, re="zi: site", new_levels="population").se_mean
    assert np.all(one < found.se_mean)


def test_curvature_gives_the_conditional_variances_of_the_core(random_zeros):
    design, own = random_zeros.model.kept_design(), random_zeros.estimates.conditional
    outer = random_zeros.estimates.outer_at_modes
    for at, block in enumerate(design.blocks):
        parts = []
        for i, (each, T) in enumerate(zip(design.blocks, own.factors, strict=True)):
            levels = len(each.levels)
            z = np.ones((levels, 1)) if i == at else np.zeros((levels, 1))
            parts.append(effects_matrix(z, np.arange(levels), T, levels).toarray())
        rows = csr_matrix(np.hstack(parts))
        found = variances_of_effects(design, random_zeros._spec, own.factors, own.eta, outer, rows)
        expected = random_zeros.condvar()[block.name][:, 0, 0]
        assert_allclose(found, expected, rtol=1e-6)


def test_it_is_the_object_of_other_fits(inflated, salamanders):
    found = inflated.get_prediction(salamanders.head(3), row_labels=list("abc"))
    plain = smm.mixedglm2("count ~ mined + (1 | site)", salamanders, "poisson").fit()
    other = plain.get_prediction(salamanders.head(3))
    assert type(found) is type(other)
    table = found.summary_frame(alpha=0.1)
    assert table.index.tolist() == ["a", "b", "c"]
    assert table.columns.tolist() == other.summary_frame().columns.tolist()[:4]
    assert_allclose(found.conf_int(alpha=0.1), table.iloc[:, 2:])
    wider, narrower = found.conf_int(obs=True), found.conf_int()
    assert np.all(wider[:, 1] - wider[:, 0] >= narrower[:, 1] - narrower[:, 0])
    with pytest.raises(OptionError, match="2 labels for 3"):
        inflated.get_prediction(salamanders.head(3), row_labels=["a", "b"])


def test_rows_of_the_fit_are_rows_of_new_data(inflated, salamanders):
    own, new = (inflated.get_prediction(each, re=True) for each in (None, salamanders))
    assert_allclose(own.predicted_mean, new.predicted_mean, rtol=1e-10)
    assert_allclose(own.se_mean, new.se_mean, rtol=1e-6)
    assert_allclose(own.predicted_mean, inflated.fittedvalues, rtol=1e-8)


def test_categories_with_random_effects():
    table = pd.read_csv(HERE / "wine.csv")
    table["rating"] = pd.Categorical(table["rating"], ordered=True)
    fit = smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", table).fit()
    found = fit.get_prediction(table.head(4), re=True)
    assert_allclose(found.predicted_mean, fit.predict(table.head(4), re=True))
    linear = fit.get_prediction(table.head(4), which="linear", re=True)
    # Of the extreme categories, given the thresholds, slopes are those of the logit
    assert np.all(found.se_mean[:, 0] < 0.26 * 4 * linear.se_mean)
    limits = found.conf_int()
    assert np.all((limits > 0) & (limits < 1))
    assert np.all(limits[..., 0] < found.predicted_mean)
    assert "categories" in repr(found)
    classes = fit.predict(table.head(2).assign(temp=["cold", None]), which="class")
    assert classes[0] == 2
    assert np.isnan(classes[1])


def test_what_is_not_possible(inflated, salamanders):
    with pytest.raises(DataError, match="new"):
        inflated.get_prediction(NEW, re=True)
    with pytest.raises(OptionError, match="transform=False gives no columns for zero_inflation="):
        inflated.predict(inflated.X, transform=False)
    missing = inflated.get_prediction(NEW, re=True, new_levels="missing")
    assert np.isnan(missing.predicted_mean).tolist() == [False, False, True]
    assert np.isnan(missing.se_mean).tolist() == [False, False, True]


def test_a_matrix_of_a_model_with_a_single_formula(salamanders):
    fit = smm.mixedglm2("count ~ mined + (1 | site)", salamanders, "genpois").fit()
    assert_allclose(fit.predict(fit.X[:5], transform=False), fit.predict()[:5])
