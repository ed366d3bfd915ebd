"""Separation in parts of zeros, in ordered categories, and in families of other packages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2, mixedordinal2
from statsmodels_mixed.errors import SeparationWarning


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(24), 10)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=240), "arm": np.array(list("ABC"))[g % 3]})
    mean = np.exp(0.8 + 0.3 * data.x + 0.4 * rng.normal(size=24)[g])
    count = rng.negative_binomial(3, 3 / (3 + mean))
    count = np.where(rng.random(240) < 0.25, 0, count)
    last = data.arm == "C"
    data["never"] = np.where(last, np.maximum(count, 1), count)  # no zeros in arm C
    data["always"] = np.where(last, 0, count)  # nothing else
    data["ones"] = np.where(last, np.minimum(data.never, 1), count)
    data["share"] = np.where(last, 1.0, rng.beta(2, 2, 240).round(1))
    data["few"] = np.where(last, 0, np.minimum(count, 3))
    return data


CASES = {
    "zero_inflation": ("never ~ x", "poisson", {"zero_inflation": "~ arm"}, "zi: arm[T.C]", -1),
    "hurdle": ("never ~ x", "poisson", {"hurdle": "~ arm"}, "hurdle: arm[T.C]", -1),
    "hurdle of zeros": ("always ~ x", "poisson", {"hurdle": "~ arm"}, "hurdle: arm[T.C]", 1),
    "mean": ("always ~ x + arm", "poisson", {"zero_inflation": "~ 1"}, "arm[T.C]", -1),
    "mean of a hurdle": ("ones ~ x + arm", "nbinom2", {"hurdle": "~ 1"}, "arm[T.C]", -1),
    "nbinom1": ("always ~ x + arm", "nbinom1", {}, "arm[T.C]", -1),
    "ordered beta": ("share ~ x + arm", "ordered_beta", {}, "arm[T.C]", 1),
    "tweedie": ("always ~ x + arm", "tweedie", {}, "arm[T.C]", -1),
}


def fitted(case, data):
    formula, family, options, _, _ = CASES[case]
    return mixedglm2(f"{formula} + (1 | g)", data, family, **options).fit()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SingularFitWarning")
def test_infinite_coefficients_are_said(case, data):
    # A standard error of 25 000, or NaN, and no word; check() had looked for separation.
    name, sign = CASES[case][-2:]
    with pytest.warns(SeparationWarning, match="no finite estimate exists"):
        fit = fitted(case, data)
    assert fit.separated == (name,)
    assert np.sign(fit.params[name]) == sign
    assert np.isnan(fit.bse[name]) and np.isnan(fit.pvalues[name])
    assert np.isfinite(fit.bse.drop(name)).all()
    assert any("no finite estimate" in problem.message for problem in fit.check().problems)
    assert "no finite estimate" in " ".join(str(fit.summary()).split())


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SeparationWarning")
def test_the_other_coefficients_of_a_hurdle_are_log_odds(data):
    fit = fitted("hurdle", data)
    zero = (data.never == 0).groupby(data.arm).mean()[["A", "B"]]
    odds = np.log(zero / (1 - zero))
    assert fit.params["hurdle: Intercept"] == pytest.approx(odds["A"], abs=1e-6)
    assert fit.params["hurdle: arm[T.B]"] == pytest.approx(odds["B"] - odds["A"], abs=1e-6)


@pytest.mark.parametrize("case", ["hurdle", "zero_inflation", "mean"])
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SeparationWarning")
def test_bootstrap_and_robust_errors(case, data):
    # limits of -32 and -29 before, where optimizers had stopped
    fit, (name, sign) = fitted(case, data), CASES[case][-2:]
    replicates = fit.bootstrap(6, seed=1)
    for method in ("percentile", "basic"):
        limits = replicates.conf_int(method=method)
        row = limits.loc[("beta", name)]
        assert row.estimate == sign * np.inf
        # What replicates tell of the other side there is by percentiles.
        told = method == "percentile" and np.isfinite(replicates.frame[("beta", name)]).any()
        ends = sorted([row.lower, row.upper], key=np.isfinite)
        assert ends[0] == sign * np.inf and np.isfinite(ends[1]) if told else np.isnan(ends).all()
        assert np.isfinite(limits.drop(index=("beta", name))).all(axis=None)
    robust = fit.with_inference(cov_type="cluster", cov_kwds={"groups": "g"})
    assert np.isnan(robust.bse[name])
    assert robust.separated == fit.separated


@pytest.mark.parametrize(("end", "sign"), [(0, -1), (3, 1)])
def test_ordered_categories(end, sign, data):
    codes = np.where(data.arm == "C", end, data.few)
    ordered = data.assign(few=pd.Categorical(codes, range(4), ordered=True))
    with pytest.warns(SeparationWarning, match=r"coefficients of arm\[T.C\]"):
        fit = mixedordinal2("few ~ x + arm + (1 | g)", ordered).fit()
    assert fit.separated == ("arm[T.C]",)
    assert np.sign(fit.params["arm[T.C]"]) == sign
    # The likelihood tends to that of the rows that are left.
    rest = mixedordinal2("few ~ x + arm + (1 | g)", ordered[data.arm != "C"]).fit()
    assert fit.llf == pytest.approx(rest.llf, abs=1e-4)
