"""What people type: offset(...), cbind(...), odd names, long sums, code that may not run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from patsy import ModelDesc

from statsmodels_mixed import term
from statsmodels_mixed.__main__ import main
from statsmodels_mixed.errors import DataError, FormulaError, MixedModelError
from statsmodels_mixed.formula import parse
from statsmodels_mixed.frame.matrices.parts import FormulaPart, terms

RNG = np.random.default_rng(1)
N = 80
DATA = pd.DataFrame({"g": np.repeat(range(10), 8), "x": RNG.normal(size=N)})
DATA["h"], DATA["s"] = RNG.uniform(1, 9, N), np.tile(list("ab"), N // 2)
DATA["k"] = RNG.poisson(DATA.h * np.exp(0.5 * RNG.normal(size=10)[DATA.g]))
DATA["f"] = DATA.k.max() + 3 - DATA.k
DATA["t"] = DATA.k + DATA.f
DATA["y"] = DATA.x + RNG.normal(size=10)[DATA.g] + RNG.normal(size=N)
POISSON, BINOMIAL = sm.families.Poisson(), sm.families.Binomial()


@pytest.mark.parametrize(
    ("formula", "options", "same"),
    [
        ("k ~ x + offset(np.log(h)) + (1 | g)", {}, {"exposure": "h"}),
        ("k ~ x + offset(log(h)) + (1 | g)", {}, {"exposure": "h"}),
        ("k ~ x + (1 | g)", {"offset": "np.log(h)"}, {"exposure": "h"}),
        ("k ~ x + (1 | g)", {"exposure": "h * 1"}, {"exposure": "h"}),
        ("k ~ x + offset(x) + (1 | g)", {"exposure": "h"}, {"exposure": "h", "offset": "x"}),
        ("k ~ offset(x) + offset(h) + x + (1 | g)", {}, {"offset": DATA.x + DATA.h}),
    ],
)
def test_offsets_and_exposures_that_are_computed(formula, options, same):
    expected = smf.mixedglm2("k ~ x + (1 | g)", DATA, POISSON, **same).fit()
    result = smf.mixedglm2(formula, DATA, POISSON, **options).fit()
    assert_allclose(result.llf, expected.llf)
    new = DATA[5:20]
    means = [result.predict(new), result.get_prediction(new).summary_frame()["mean"]]
    given = {name: new[v] if isinstance(v, str) else v[5:20] for name, v in same.items()}
    for mean in means:
        assert_allclose(mean, expected.predict(new, **given), rtol=1e-6)
    drawn = [result.simulate(exog=new, seed=1), expected.simulate(exog=new, seed=1, **given)]
    assert_allclose(*drawn)


def test_weights_that_are_computed():
    expected = smf.mixedglm2("k + f ~ x + (1 | g)", DATA, BINOMIAL).fit()
    for formula, options in (
        ("k / t ~ x + (1 | g)", {"weights": "k + f"}),
        ("cbind(k, f) ~ x + (1 | g)", {}),
        ("cbind(k, t - k) ~ x + (1 | g)", {}),
    ):
        assert_allclose(smf.mixedglm2(formula, DATA, BINOMIAL, **options).fit().llf, expected.llf)


@pytest.mark.parametrize("where", ["h", "x"])
def test_rows_in_which_an_expression_lacks_a_column_are_dropped(where):
    data = DATA.copy()
    data.loc[3, where] = np.nan
    model = smf.mixedglm2("k ~ x + offset(np.log(h)) + (1 | g)", data, POISSON)
    assert model.nobs == N - 1
    bad = DATA.assign(h=DATA.h.where(DATA.index != 3, -1.0))
    with np.errstate(invalid="ignore"):
        model = smf.mixedglm2("k ~ x + offset(np.log(h)) + (1 | g)", bad, POISSON)
        assert (model.nobs, model.layout.n_dropped) == (N - 1, 1)
        with pytest.raises(DataError, match="offset= is NaN in 1 row"):
            smf.mixedglm2("k ~ x + offset(np.log(h)) + (1 | g)", bad, POISSON, missing="none")


def test_an_offset_is_part_of_the_formula():
    formula = parse("y ~ x + offset(np.log(h)) + (1 | g)")
    assert str(formula) == "y ~ 1 + x + offset(np.log(h)) + (1 | g)"
    assert parse(str(formula)) == formula
    for bad in ("y ~ x:offset(h) + (1|g)", "y ~ (offset(h) | g)", "offset(y) ~ (1 | g)"):
        with pytest.raises(FormulaError, match="added to the fixed effects"):
            parse(bad)
    with pytest.raises(FormulaError, match="offset takes one"):
        parse("y ~ offset(h, x) + (1 | g)")
    with pytest.raises(FormulaError, match=r"power is written \*\*"):
        parse("y ~ I(x^2) + (1 | g)")
    with pytest.raises(FormulaError, match="Q takes the name"):
        parse("y ~ Q() + (1 | g)")
    with pytest.raises(FormulaError, match="cbind takes two"):
        parse("cbind(k) ~ (1 | g)")


def test_functions_of_r():
    expected = smf.mixedlm2("y ~ C(s) + np.log(h) + (1 | g)", DATA).fit()
    assert_allclose(smf.mixedlm2("y ~ factor(s) + log(h) + (1 | g)", DATA).fit().llf, expected.llf)
    result = smf.mixedlm2("y ~ poly(x, 3) + (1 | g)", DATA).fit()
    X = result.model.exog[:, 1:]
    assert_allclose(X.T @ X, np.eye(3), atol=1e-12)  # orthonormal
    assert_allclose(X.sum(axis=0), 0, atol=1e-12)
    powers = smf.mixedlm2("y ~ x + I(x**2) + I(x**3) + (1 | g)", DATA).fit()
    assert_allclose(result.llf, powers.llf)
    assert_allclose(result.predict(DATA[:5]), powers.predict(DATA[:5]), rtol=1e-5)
    with pytest.raises(DataError, match="the degree is a whole number"):
        smf.mixedlm2("y ~ poly(x, 99) + (1 | g)", DATA)


@pytest.mark.parametrize(
    "name",
    [
        "inf",
        "nan",
        "NaN",
        "Infinity",
        "Intercept",
        "lambda",
        "x\n[mm]",
        'a"b',
        "a'b",
        "a\\b",
        "a`b",
    ],
)
@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_every_name_can_be_a_column(name, engine, monkeypatch):
    monkeypatch.setattr("statsmodels.formula.options.formula_engine", engine)
    expected = smf.mixedlm2("y ~ x + (1 | g)", DATA).fit()
    one = term(1) | term("g")
    as_x = smf.mixedlm2(term("y").follows(term(name) + one), DATA.assign(**{name: DATA.x})).fit()
    as_y = smf.mixedlm2(term(name).follows(term("x") + one), DATA.assign(**{name: DATA.y})).fit()
    both = term("y").follows(term("x") + (term(1) | term(name)))
    as_g = smf.mixedlm2(both, DATA.assign(**{name: DATA.g})).fit()
    for result in (as_x, as_y, as_g):
        assert_allclose(result.llf, expected.llf)
        assert len(set(result.coefnames)) == 2
    assert_allclose(as_x.predict(DATA.assign(**{name: 1.0})), expected.predict(DATA.assign(x=1.0)))


@pytest.mark.parametrize("dtype", ["object", "str", "category", "string[pyarrow]"])
def test_tests_of_a_factor_with_an_odd_name_under_formulaic(dtype, monkeypatch):
    data = DATA.assign(**{'a "b"': DATA.s.astype(dtype)})
    plain = smf.mixedlm2("y ~ s * x + (1 | g)", DATA).fit()
    monkeypatch.setattr("statsmodels.formula.options.formula_engine", "formulaic")
    odd = term('a "b"') * term("x") + (term(1) | term("g"))
    result = smf.mixedlm2(term("y").follows(odd), data).fit()
    for typ in (1, 2, 3):
        assert_allclose(result.anova(typ=typ).iloc[:, 0], plain.anova(typ=typ).iloc[:, 0])
    alone = smf.mixedlm2(term("y").follows(term('a "b"') + (term(1) | term("g"))), data).fit()
    assert len(alone.t_test_pairwise(r'Q("a \"b\"")').result_frame) == 1


def test_levels_that_look_the_same():
    with pytest.raises(DataError, match="the levels 1 and '1' of 'c' look the same"):
        smf.mixedlm2("y ~ c + (1 | g)", DATA.assign(c=[(0, 1, "1")[i % 3] for i in range(N)]))


def test_sums_of_many_terms():
    wide = pd.DataFrame(RNG.normal(size=(900, 700)), columns=[f"v{i}" for i in range(700)])
    wide["g"], wide["y"] = np.arange(900) % 9, RNG.normal(size=900)
    text = " + ".join(f"v{i}" for i in range(700))
    model = smf.mixedlm2(f"y ~ {text} + (1 | g)", wide)
    assert_allclose(model.exog[:, 1:], wide.iloc[:, :700])
    for deep in ("*".join(["x"] * 700), "(" * 2000 + "x" + ")" * 2000, "x**2" * 500):
        with pytest.raises(MixedModelError):
            smf.mixedlm2(f"y ~ {deep} + (z | g)", DATA)


# patsy's own parser is the independent answer.
@pytest.mark.parametrize(
    "text",
    [
        "1 + a*b - a",
        "1 + (a + b + c)**2",
        "0 + a:b + a",
        "1 + (a + b)/c",
        "1 + np.log(x) + a:np.log(x)",
        "1 + C(f, Treatment('a')):b",
        "0 + (a*b*c - a:b:c)",
    ],
)
def test_terms_are_those_of_patsy(text):
    assert terms(FormulaPart(text)) == tuple(ModelDesc.from_formula(f"~ {text}").rhs_termlist)


@pytest.mark.parametrize(
    "code",
    [
        "bs(x)",
        "bs(x, df=-1)",
        "nothing(x)",
        "x.nothing",
        "np.nothing(x)",
        "x[99]",
        "[x]",
        "C(x, 3)",
        "C(s, levels=['q'])",
        "center(s)",
        "I(x / 'a')",
        "np.array([1, 2])",
        "np",
        "log",
        "(lambda: 1)()",
    ],
)
def test_code_that_fails_is_an_error_of_ours(code):
    for formula in (f"y ~ {code} + (1 | g)", f"y ~ x + ({code} | g)", f"{code} ~ x + (1 | g)"):
        with pytest.raises(MixedModelError):
            smf.mixedlm2(formula, DATA).fit()


UNSAFE = [
    "exit()",
    "__import__('os').getcwd()",
    "x.__class__",
    "(lambda: x)()",
    "[x for x in x][0]",
    "np.load('file')",
    "np.linalg.norm(x)",
    "eval('x')",
    "C(s, levels=open('f'))",
    "9**9**9 * x",
    "I(abs(9)**round(999999999) * x)",
    "I((1 << 9999999) * x)",
    "I([0] * 10**9)",
    "I(('a' or s) * 10**9)",
    "bs(x, df=200000)",
    "cr(x, 200000)",
    "f'{x}'",
    "x[0]",
]


@pytest.mark.parametrize("code", UNSAFE)
@pytest.mark.parametrize("options", [{"eval_env": -1}, {"functions": "safe"}])
def test_code_that_may_not_run(code, options):
    for formula, given in (
        (f"y ~ {code} + (1 | g)", {}),
        (f"y ~ x + ({code} | g)", {}),
        (f"{code} + y ~ x + (1 | g)", {}),
        (f"y ~ offset({code}) + (1 | g)", {}),
        ("y ~ x + (1 | g)", {"weights": f"{code} + h"}),
    ):
        with pytest.raises(MixedModelError):
            smf.mixedlm2(formula, DATA, **given, **options)
    with pytest.raises(MixedModelError, match="subset="):
        smf.mixedlm2("y ~ x + (1 | g)", DATA, subset="@exit()", **options)


@pytest.mark.parametrize(
    "code",
    [
        "np.log(h)",
        "log(h) + C(s, Sum)",
        "C(s, Treatment('b')) + I(x**2 + 1)",
        "standardize(x) + bs(h, df=4)",
        "poly(x, 2) * (h > 3)",
        "Q('x')",
        "np.where(x > 0, x, -x)",
        "I(2**x + x / 10**12) + I(np.pi**2 * h**3)",
        "I((s == 'a') * (h > 3))",
        "bs(x, df=4, upper_bound=5000)",
        f"I({' + '.join(['x'] * 900)})",
    ],
)
def test_code_that_is_safe(code):
    expected = smf.mixedlm2(f"y ~ {code} + (1 | g)", DATA).fit().llf
    assert smf.mixedlm2(f"y ~ {code} + (1 | g)", DATA, functions="safe").fit().llf == expected


def test_the_command_line_runs_no_code(capsys, tmp_path):
    path = str(tmp_path / "data.csv")
    DATA.to_csv(path, index=False)
    for code in UNSAFE:
        assert main(["fit", f"y ~ {code} + (1 | g)", path]) == 2
        assert capsys.readouterr().err.startswith("error: ")
    assert main(["fit", "y ~ x.abs() + (1 | g)", path, "--allow-code"]) == 0
    assert main(["fit", "y ~ np.log(h) + (1 | g)", path, "--offset", "x / 2"]) == 0


WRONG = [1j, "a", [[1], [1, 2]], [{1}], object(), np.array([object()] * N), [10**400]]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_what_is_no_number_is_an_error_of_ours(wrong):
    result = smf.mixedlm2("y ~ x + (1 | g)", DATA, offset="h").fit()
    counts = smf.mixedglm2("k ~ x + (1 | g)", DATA, POISSON, exposure="h").fit()
    calls = [
        lambda: result.model.fit(start=wrong),
        lambda: result.model.fit(sigma=wrong),
        lambda: result.model.fit(max_eval=wrong),
        lambda: result.model.objective([wrong]),
        lambda: result.model.predict(wrong),
        lambda: result.model.predict(result.params, wrong),
        lambda: result.model.predict(result.params, offset=[wrong]),
        lambda: result.predict(DATA, offset=[wrong]),
        lambda: result.get_prediction(DATA, offset=[wrong]),
        lambda: counts.predict(DATA, exposure=[wrong]),
        lambda: result.refit(wrong),
        lambda: result.conf_int(alpha=wrong),
        lambda: result.with_inference(cov_type="cluster", cov_kwds={"groups": [wrong] * N}),
        lambda: smf.mixedlm2("y ~ x", DATA, groups="g", re_formula=wrong).fit(start=wrong),
        lambda: smf.mixedlm2("y ~ x", DATA, groups="g", vc_formula=wrong),
        lambda: smf.mixedlm2("y ~ x + (1 | g)", DATA, contrasts=wrong),
        lambda: smf.mixedlm2("y ~ x + (1 | g)", DATA, weights=wrong),
    ]
    for call in calls:
        with pytest.raises(MixedModelError):
            call()


def test_starts_far_away_and_units_beyond_numbers():
    model = smf.mixedlm2("y ~ x + (1 | g)", DATA)
    for start in ([1e8], [1e-300]):
        assert_allclose(model.fit(start=start).llf, model.fit().llf, rtol=1e-6)
    for sigma in (1e300, 1e-300):
        with pytest.raises(MixedModelError, match="sigma="):
            model.fit(sigma=sigma)
    with pytest.raises(DataError, match="the offset is so large"):
        smf.mixedlm2("y ~ x + offset(1e300 * h) + (1 | g)", DATA)
