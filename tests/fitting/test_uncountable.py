"""Numbers so large that whole ones cannot be told apart are no counts."""

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2
from statsmodels_mixed.errors import DataError

FAMILIES = ["poisson", "negativebinomial", "nbinom1", "genpois", "compois"]


@pytest.mark.parametrize("family", FAMILIES)
def test_counts_beyond_doubles_are_refused_at_once(family):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.poisson(3, 60) + 0.0, "g": np.repeat(np.arange(12), 5)})
    data.loc[3, "y"] = 1e300  # the negative binomial search had not ended after 40 s
    with pytest.raises(DataError, match=r"'y' is beyond what can be counted.*first: 3"):
        mixedglm2("y ~ 1 + (1 | g)", data, family).fit()
