"""Two names of one grouping factor, where rows have parameters besides their mean.

Only the sum of the two variances is determined, and it is that of the factor alone: so is the
likelihood, and so are all coefficients and their errors.
"""

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2, mixedordinal2
from statsmodels_mixed.errors import IdentificationWarning

RNG = np.random.default_rng(1)
GROUP = np.repeat(np.arange(24), 4)
DATA = pd.DataFrame({"g": GROUP, "twin": 10 * GROUP, "x": RNG.normal(size=96)})
DATA["y"] = RNG.normal(size=24)[GROUP] + 0.5 * DATA["x"] + RNG.normal(size=96)
DATA["count"] = RNG.poisson(np.exp(0.6 * DATA["y"] + 0.3)) * (RNG.uniform(size=96) > 0.3)
DATA["rating"] = pd.cut(DATA["y"], [-20, -1, 0, 1, 20], labels=False)
DATA["heavy"] = RNG.normal(size=24)[GROUP] + RNG.standard_t(3, size=96)
MODELS = {
    "zeros": lambda f: mixedglm2(f"count ~ x + {f}", DATA, "poisson", zero_inflation="~ 1"),
    "hurdle": lambda f: mixedglm2(f"count ~ x + {f}", DATA, "poisson", hurdle="~ x"),
    "shape": lambda f: mixedglm2(f"heavy ~ x + {f}", DATA, "t"),
    "ordered": lambda f: mixedordinal2(f"rating ~ x + {f}", DATA),
}


@pytest.mark.parametrize("kind", MODELS)
def test_twins_have_the_errors_of_the_factor_alone(kind):
    with pytest.warns(IdentificationWarning, match="g and twin"):
        both = MODELS[kind]("(1 | g) + (1 | twin)").fit()
    alone = MODELS[kind]("(1 | g)").fit()
    np.testing.assert_allclose(both.llf, alone.llf, rtol=1e-8)
    variances = [float(np.sum(np.square(np.concatenate(f.estimates.conditional.factors))))
                 for f in (both, alone)]  # fmt: skip
    np.testing.assert_allclose(*variances, rtol=1e-3)
    np.testing.assert_allclose(both.params, alone.params, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(both.bse, alone.bse, rtol=2e-3)
    assert "Not identified" in str(both.summary())
