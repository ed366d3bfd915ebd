"""Student's t needs degrees of freedom: without rows to spare there are none."""

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import OptionError, mixedlm2

pytestmark = pytest.mark.filterwarnings("ignore:a covariance matrix of random effects")


@pytest.fixture(scope="module")
def model():
    # Five rows, three coefficients, a variance of g and one of the residuals.
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"x": rng.normal(size=5), "z": rng.normal(size=5), "g": list("aabbb")})
    return mixedlm2("y ~ x + z + (1 | g)", data.assign(y=data["x"] + rng.normal(size=5)))


def test_a_fit_with_none_left_is_refused(model):
    # Its p-values were NaN, and nothing said why.
    with pytest.raises(OptionError, match="leaves no degrees of freedom"):
        model.fit(dof="residual")


def test_so_are_tests_after_a_fit(model):
    fit = model.fit()
    assert fit.df_resid == 0
    with pytest.raises(OptionError, match="leaves no degrees of freedom"):
        fit.with_inference(dof="residual")
    with pytest.raises(OptionError, match="leaves no degrees of freedom"):
        fit.anova(dof="residual")
