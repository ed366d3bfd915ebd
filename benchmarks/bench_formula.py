"""Stage 1: the text of a formula to terms, with nothing remembered from the round before."""

from __future__ import annotations

import pytest

from statsmodels_mixed import parse
from statsmodels_mixed.formula.tokens import python_names

FORMULAS = {
    "y ~ 1 + (1 | g)": ["(1 | g)"],
    "y ~ 1 + x + (1 + x | g)": ["(1 + x | g)"],
    "y ~ 1 + x + (1 + x || g)": ["(1 | g)", "(0 + x | g)"],
    "y ~ 1 + a * b + (1 | a / c) + zerocorr(1 + b | d)": [
        "(1 | a)",
        "(1 | a & c)",
        "zerocorr(1 + b | d)",
    ],
    "np.log(y) ~ (a + b + c)**2 + bs(x, df=4) + (1 + a * b * c | s) + (1 + a * b * c | i)": [
        "(1 + a*b*c | s)",
        "(1 + a*b*c | i)",
    ],
}


@pytest.mark.benchmark(group="formula")
@pytest.mark.parametrize("text", FORMULAS)
def test_parse(benchmark, text):
    def run():
        parse.__wrapped__.cache_clear()
        python_names.cache_clear()
        return parse(text)

    formula = benchmark(run)
    assert [str(term).replace(" * ", "*") for term in formula.random] == FORMULAS[text]
