"""A factor with one level: it says nothing, and nothing of it can be compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula

from statsmodels_mixed import LinearMixedModel, OptionError


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_there_are_no_pairs_of_a_single_level(engine, monkeypatch):
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", engine)
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(8), 5)
    data = pd.DataFrame({"g": groups, "f": "b", "x": rng.normal(size=40)})
    data["y"] = data["x"] + 3 * rng.normal(size=8)[groups] + rng.normal(size=40)
    result = LinearMixedModel.from_formula("y ~ x + f + (1 | g)", data).fit()
    with pytest.raises(OptionError, match="'f' has a single level"):
        result.t_test_pairwise("f")
