"""The cases bootstrap of fits with correlated residuals: fits to copies of whole subjects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import OptionError, datasets
from statsmodels_mixed.bootstrap.residual_cases import residual_cases
from statsmodels_mixed.simulation.streams import read_seed, stream

MODELS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "unstructured": ("distance ~ age", {"residual": "us(age | subject)"}, False),
    "strata": ("distance ~ age * sex", {"residual": "ar1(age | subject, by=sex)"}, True),
    "beside effects": (
        "distance ~ age + (1 | subject)",
        {"residual": "ar1(age | subject)", "dispersion": "~ sex"},
        True,
    ),
    "without places": ("distance ~ age", {"residual": "cs(1 | subject)"}, False),
    "weights": ("distance ~ sex", {"residual": "toep(age | subject)", "weights": "w"}, False),
}


def growth() -> pd.DataFrame:
    """Return Orthodont with weights, less a few rows."""
    table = datasets.load("orthodont").assign(w=lambda t: 1.0 + np.arange(len(t)) % 3)
    return table.drop(index=[3, 18, 19, 54]).reset_index(drop=True)


@pytest.mark.parametrize("name", MODELS)
def test_replicates_are_fits_to_copies_of_subjects(name):
    formula, options, reml = MODELS[name]
    table = growth()
    fit = smf.mixedlm2(formula, table, **options).fit(reml=reml)
    found = fit.bootstrap(4, kind="cases", seed=7)
    cases = residual_cases(fit.kept_design(), fit.estimates, None)
    drawn = cases.draw(stream(read_seed(7), 0), 4)
    codes = pd.Categorical(table["subject"]).codes
    assert found.recipe.by == "subject"
    assert len(np.unique(drawn)) > 1
    for r in range(4):
        parts = [
            table[codes == level].assign(subject=f"copy {copy:02}")
            for copy, level in enumerate(drawn[r])
        ]
        again = smf.mixedlm2(formula, pd.concat(parts), **options).fit(reml=reml)
        row = found.frame.iloc[r]
        assert row[("objective", "")] == pytest.approx(again.objective, abs=1e-6)
        assert row["beta"].to_numpy() == pytest.approx(again.params.to_numpy(), rel=1e-4)
        assert row["theta"].to_numpy() == pytest.approx(again.estimates.natural.values, rel=1e-2)
        assert row["se"].to_numpy() == pytest.approx(again.bse.to_numpy(), rel=1e-3)


def test_rows_are_cases_where_residuals_are_independent():
    fit = smf.mixedlm2("distance ~ age", growth(), dispersion="~ sex").fit()
    found = fit.bootstrap(5, kind="cases", seed=1)
    assert found.recipe.by == "row"
    assert found.frame["beta"].nunique().min() == 5


def test_two_names_of_one_factor_are_drawn_as_one():
    table = growth().assign(child=lambda t: t["subject"].astype(str) + "!")
    fit = smf.mixedlm2("distance ~ age + (1 | subject) + (0 + age | child)", table).fit()
    found = fit.bootstrap(5, kind="cases", seed=1)
    assert found.frame["beta"].nunique().min() == 5


def test_what_cannot_be_drawn_is_refused():
    one = growth().iloc[:3]
    alone = smf.mixedlm2("distance ~ 1", one, residual="ar1(age | 1)").fit()
    with pytest.raises(OptionError, match="'all rows' has a single level"):
        alone.bootstrap(5, kind="cases")
    fit = smf.mixedlm2("distance ~ age", growth(), residual="us(age | subject)").fit()
    with pytest.raises(OptionError, match=r"by='sex' is no grouping factor .* has 'subject'"):
        fit.bootstrap(5, kind="cases", by="sex")
