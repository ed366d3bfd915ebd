"""Formulas beside that of the mean: which code they may run, and what their names mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2, mixedlm2
from statsmodels_mixed.errors import DataError, UnknownColumnError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(20), 8)
    data = pd.DataFrame({"g": g, "t": np.tile(np.arange(8.0), 20), "x": rng.uniform(1, 3, 160)})
    data["arm"] = np.where(g % 2, "u", "v")
    mean = 0.5 * data.x + rng.normal(size=20)[g]
    data["y"] = mean + rng.normal(size=160) * data.x
    data["count"] = np.where(rng.random(160) < 0.3, 0, rng.poisson(np.exp(mean / 2)))
    return data


def linear(formula, data, **options):
    return mixedlm2("y ~ x + (1 | g)", data, dispersion=formula, **options)


def counts(option, family):
    def make(formula, data, **options):
        return mixedglm2("count ~ x + (1 | g)", data, family, **{option: formula}, **options)

    return make


MODELS = {
    "dispersion of residuals": linear,
    "zero_inflation": counts("zero_inflation", "poisson"),
    "hurdle": counts("hurdle", "poisson"),
    "dispersion of counts": counts("dispersion", "negative_binomial"),
}
EACH = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


@EACH
@pytest.mark.parametrize("allowed", [{"functions": "safe"}, {"eval_env": -1}])
def test_code_that_is_not_allowed_does_not_run(make, allowed, data, tmp_path):
    # It ran: only the formula of the mean was looked at.
    made = tmp_path / "made"
    for code in (
        f"__import__('pathlib').Path({str(made)!r}).touch()",
        f"x.to_csv({str(made)!r})",
        "exit()",
        "x.__class__.__mro__",
    ):
        with pytest.raises(DataError, match="neither a column nor one of the functions allowed"):
            make(f"~ x + {code}", data, **allowed)
        assert not made.exists()
    a, b = make("~ np.log(x)", data, **allowed), make("~ lx", data.assign(lx=np.log(data.x)))
    assert a.fit().llf == pytest.approx(b.fit().llf, abs=1e-8)


@EACH
def test_functions_are_those_of_the_formula_of_the_mean(make, data):
    def own(x):
        return np.log(x)

    wanted = make("~ lx", data.assign(lx=np.log(data.x))).fit().llf
    for code in ("own(x)", "log(x)", "np.log(x)"):
        model = make(f"~ {code}", data, eval_env={"own": own, "np": np})
        assert model.fit().llf == pytest.approx(wanted, abs=1e-8)
    centered = data.assign(c=data.x - data.x.mean())
    wanted = make("~ c + I(c ** 2)", centered).fit().llf
    assert make("~ poly(x, 2)", data).fit().llf == pytest.approx(wanted, abs=1e-6)
    wanted = make("~ arm", data).fit().llf
    assert make("~ factor(arm)", data).fit().llf == pytest.approx(wanted, abs=1e-8)


@EACH
@pytest.mark.parametrize("name", ["Intercept", "nan", "lambda", "np", "C", "Q"])
def test_columns_have_any_name(make, name, data):
    # Errors of Python and patsy for a dispersion of residuals; the function C for the column.
    wanted = make("~ arm", data).fit().llf
    renamed = data.rename(columns={"arm": name})
    assert make(f"~ {name}", renamed).fit().llf == pytest.approx(wanted, abs=1e-8)
    assert make(f"~ Q({name!r})", renamed).fit().llf == pytest.approx(wanted, abs=1e-8)


@EACH
def test_unknown_columns_and_dates_are_named(make, data):
    with pytest.raises(UnknownColumnError, match=r"='~ armm': the data have no column 'armm'"):
        make("~ armm", data)
    dated = data.assign(t=pd.to_datetime("2020-01-01") + pd.to_timedelta(data.t, unit="D"))
    with pytest.raises(DataError, match=r"='~ t': 't' holds dates"):
        make("~ t", dated)


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("weights", "armm"),
        ("offset", "armm"),
        ("exposure", "2 * armm"),
        ("zero_inflation", "~ x + (1 | armm)"),
        ("hurdle", "~ x + (armm | g)"),
    ],
)
def test_unknown_columns_say_which_option_asked_for_them(option, given, data):
    match = rf"no column 'armm' of {option}= \(did you mean 'arm'\?\)\.$"
    with pytest.raises(UnknownColumnError, match=match):
        mixedglm2("count ~ x + (1 | g)", data, "poisson", **{option: given})
    with pytest.raises(UnknownColumnError, match=r"no columns 'xx' .*, 'armm' of weights="):
        mixedglm2("count ~ xx + (1 | g)", data, "poisson", weights="armm")


def test_dates_name_subjects_as_they_name_groups(data):
    day = pd.to_datetime("2020-01-01") + pd.to_timedelta(data.g, unit="D")
    dated = data.assign(day=day, time=pd.to_datetime(data.t, unit="D"))
    wanted = mixedlm2("y ~ x", data, residual="ar1(t | g)").fit()
    fit = mixedlm2("y ~ x", dated, residual="ar1(t | day)").fit()
    assert fit.llf == pytest.approx(wanted.llf, abs=1e-9)
    np.testing.assert_allclose(
        fit.get_prediction(dated.head(3), conditional=True).predicted,
        wanted.get_prediction(data.head(3), conditional=True).predicted,
        rtol=1e-9,
    )
    wanted = mixedlm2("y ~ x", data, residual="us(t | g)").fit()
    fit = mixedlm2("y ~ x", dated, residual="us(time | g)").fit()
    assert fit.llf == pytest.approx(wanted.llf, abs=1e-8)
    with pytest.raises(DataError, match="'time' holds dates or times"):
        mixedlm2("y ~ x", dated, residual="ar1(time | g)")


def test_transforms_of_the_dispersion_remember_the_rows_of_the_fit(data):
    # center(x) was taken from the mean of old and new rows together.
    new = data.head(4).assign(x=[1.0, 5.0, 9.0, 30.0])
    frames = [
        mixedlm2("y ~ x", data, dispersion=formula)
        .fit()
        .get_prediction(new, conditional=True)
        .summary_frame()
        for formula in ("~ x", "~ center(x)")
    ]
    np.testing.assert_allclose(frames[0], frames[1], rtol=1e-4)
