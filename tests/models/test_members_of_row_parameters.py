"""Names that fits with several formulas share with others, and what they say of those they lack."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

import statsmodels_mixed as smm
from statsmodels_mixed.errors import NotOfferedError, OptionError

HERE = Path(__file__).parents[1] / "reference" / "families"
FORMULA = "count ~ mined + cover + (1 | site)"


@pytest.fixture(scope="module")
def inflated(salamanders):
    # cover and a covariate of its own for each row
    rng = np.random.default_rng(1)
    table = salamanders.assign(cover=salamanders["cover"] + rng.normal(size=len(salamanders)))
    return smm.mixedglm2(FORMULA, table, "nbinom2", zero_inflation="~ 1"), table


def test_mundlaks_test_is_a_fit_with_group_means(inflated):
    model, table = inflated
    test = model.fit().mundlak_test()
    means = table.groupby("site")["cover"].transform("mean")
    wider = FORMULA.replace("cover", "cover + between")
    options = {"zero_inflation": "~ 1"}
    fit = smm.mixedglm2(wider, table.assign(between=means), "nbinom2", **options).fit()
    assert test.df == 1
    assert test.statistic == pytest.approx(fit.tvalues["between"] ** 2, rel=1e-4)
    assert test.pvalue == pytest.approx(chi2.sf(test.statistic, 1))
    assert test.table.loc["cover", "difference"] == pytest.approx(fit.params["between"], rel=1e-4)


def test_a_constant_mean_of_groups_is_no_covariate_of_an_ordinal_model():
    table = pd.read_csv(HERE / "wine.csv")
    table["rating"] = pd.Categorical(table["rating"], ordered=True)
    fit = smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", table).fit()
    with pytest.raises(OptionError, match="varies"):
        fit.mundlak_test()  # the design is balanced


def test_names_of_other_fits(inflated):
    fit = inflated[0].fit()
    assert_allclose(fit.beta, fit.params.iloc[:3])
    assert fit.coefnames == fit.params.index[:3].tolist()
    assert fit.objective == pytest.approx(-2 * fit.llf)
    assert not fit.use_t
    assert "Laplace" in fit.method


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fitlog", "report has what"),
        ("save", r"to_dir\(path\)"),
        ("vcov", r"write cov_params\(\)"),
    ],
)
def test_what_is_not_defined_says_what_is(inflated, name, said):
    with pytest.raises(NotOfferedError, match=said):
        getattr(inflated[0].fit(), name)
