"""Tests of terms do not depend on where the zero of the response is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import statsmodels_mixed  # noqa: F401 (puts mixedlm2 into smf)


@pytest.mark.parametrize("typ", [1, 2, 3])
def test_analysis_of_variance(typ):
    """Of y + 1e9, without rounding: hypotheses with 1e-16 of the intercept were 1e-6 off."""
    rng = np.random.default_rng(5)
    g, f = np.repeat(np.arange(16), 10), rng.choice(list("abc"), 160)
    x = rng.normal(size=160)
    b = rng.normal(size=(16, 2))
    y = 2 + 0.5 * x + b[g, 0] + 0.6 * b[g, 1] * x + 0.4 * (f == "b") + 0.7 * rng.normal(size=160)
    data = pd.DataFrame({"y": np.round(y * 2.0**20) / 2.0**20, "x": x, "f": f, "g": g})
    one, far = (
        smf.mixedlm2("y ~ x + f + (x | g)", data.assign(y=data.y + shift)).fit(reml=True)
        for shift in (0.0, 2.0**30)
    )
    np.testing.assert_allclose(far.anova(typ=typ)["F"], one.anova(typ=typ)["F"], rtol=1e-9)
