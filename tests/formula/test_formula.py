"""Formula text to terms: tables of what is written and what it has to mean."""

from __future__ import annotations

import random
import re

import numpy as np
import pandas as pd
import patsy
import pytest

from statsmodels_mixed.errors import FormulaError
from statsmodels_mixed.formula.compose import expression, fulldummy, term, zerocorr
from statsmodels_mixed.formula.parse import parse, variables
from statsmodels_mixed.formula.terms import (
    Grouping,
    Intercept,
    MixedFormula,
    RandomTerm,
    plain_names,
)

PRESENT, OMITTED, ELSEWHERE = Intercept.PRESENT, Intercept.OMITTED, Intercept.ELSEWHERE


def re_term(effects, factors, intercept=PRESENT, correlated=True):
    return RandomTerm(effects, Grouping(tuple(factors.split())), intercept, correlated)


# The random-effects part of a formula (after "y ~ 1 + ") and the terms it means.
RANDOM_TERMS = [
    ("(1 | g)", [re_term("", "g")]),
    ("(1|g)", [re_term("", "g")]),
    ("(1 + x | g)", [re_term("x", "g")]),
    ("(x + 1 | g)", [re_term("x", "g")]),
    ("(x | g)", [re_term("x", "g")]),
    ("(+x | g)", [re_term("x", "g")]),
    ("((x) | (g))", [re_term("x", "g")]),
    ("(0 + x | g)", [re_term("x", "g", OMITTED)]),
    ("(x + 0 | g)", [re_term("x", "g", OMITTED)]),
    ("(x - 1 | g)", [re_term("x", "g", OMITTED)]),
    ("(-1 + x | g)", [re_term("x", "g", OMITTED)]),
    ("(x + -1 | g)", [re_term("x", "g", OMITTED)]),
    ("(x + (0 + z) | g)", [re_term("x + z", "g", OMITTED)]),
    ("(0 + x + 1 | g)", [re_term("x", "g")]),
    ("(x - 0 | g)", [re_term("x", "g")]),
    # an intercept is implied once for every grouping factor
    ("(1 | g) + (x | g)", [re_term("", "g"), re_term("x", "g", ELSEWHERE)]),
    ("(1 | g) + (x | h)", [re_term("", "g"), re_term("x", "h")]),
    ("(x | g) + (z | g)", [re_term("x", "g"), re_term("z", "g", ELSEWHERE)]),
    ("(0 + x | g) + (z | g)", [re_term("x", "g", OMITTED), re_term("z", "g")]),
    ("(1 | g) + (0 + x | g)", [re_term("", "g"), re_term("x", "g", OMITTED)]),
    (
        "(1 | a:b) + (x | b:a)",
        [re_term("", "a b"), re_term("x", "a b", ELSEWHERE)],
    ),
    (
        "(1 | a) + (x | a/b)",
        [re_term("", "a"), re_term("x", "a", ELSEWHERE), re_term("x", "a b")],
    ),
    # zerocorr
    ("zerocorr(1 + x | g)", [re_term("x", "g", PRESENT, False)]),
    ("zerocorr(x | g)", [re_term("x", "g", PRESENT, False)]),
    ("zerocorr (0 + x|g)", [re_term("x", "g", OMITTED, False)]),
    ("zerocorr((x | g))", [re_term("x", "g", PRESENT, False)]),
    (
        "(1 | g) + zerocorr(x | g)",
        [re_term("", "g"), re_term("x", "g", ELSEWHERE, False)],
    ),
    (
        "zerocorr(1 | a/b)",
        [re_term("", "a", PRESENT, False), re_term("", "a b", PRESENT, False)],
    ),
    (
        "zerocorr(x | a/b)",
        [re_term("x", "a", PRESENT, False), re_term("x", "a b", PRESENT, False)],
    ),
    # the double bar
    ("(1 || g)", [re_term("", "g")]),
    ("(x || g)", [re_term("", "g"), re_term("x", "g", OMITTED)]),
    ("(1 + x || g)", [re_term("", "g"), re_term("x", "g", OMITTED)]),
    ("(0 + x || g)", [re_term("x", "g", OMITTED)]),
    ("(1 | g) + (x || g)", [re_term("", "g"), re_term("x", "g", OMITTED)]),
    (
        "(0 + x + z || g)",
        [re_term("x", "g", OMITTED), re_term("z", "g", OMITTED)],
    ),
    (
        "(a * b || g)",
        [
            re_term("", "g"),
            re_term("a", "g", OMITTED),
            re_term("b", "g", OMITTED),
            re_term("a:b", "g", OMITTED),
        ],
    ),
    (
        "(0 + x || a/b)",
        [re_term("x", "a", OMITTED), re_term("x", "a b", OMITTED)],
    ),
    ("zerocorr(0 + f || g)", [re_term("f", "g", OMITTED, False)]),
    # grouping factors
    ("(1 | a & b)", [re_term("", "a b")]),
    ("(1 | a:b)", [re_term("", "a b")]),
    ("(1 | a:b:c)", [re_term("", "a b c")]),
    ("(1 | a/b)", [re_term("", "a"), re_term("", "a b")]),
    ("(x | a/b/c)", [re_term("x", "a"), re_term("x", "a b"), re_term("x", "a b c")]),
    ("(1 | a/(b/c))", [re_term("", "a"), re_term("", "a b"), re_term("", "a b c")]),
    ("(1 | a:b/c)", [re_term("", "a b"), re_term("", "a b c")]),
    ("(1 | a/b:c)", [re_term("", "a"), re_term("", "a b c")]),
    ('(1 | Q("odd name"))', [RandomTerm("", Grouping(("odd name",)))]),
    ("(1 | class)", [re_term("", "class")]),
    # effects
    ("(a & b | g)", [re_term("a:b", "g")]),
    ("(a*b - a | g)", [re_term("a * b - a", "g")]),
    ("(0 + a/b | g)", [re_term("a / b", "g", OMITTED)]),
    ("((a+b+c)^2 | g)", [re_term("(a + b + c)**2", "g")]),
    ("((a + b) | g)", [re_term("a + b", "g")]),
    ("(1 + x - x | g)", [re_term("", "g")]),
    ("(1 + fulldummy(f) | g)", [re_term("fulldummy(f)", "g")]),
    ("(fulldummy( f ) & x | g)", [re_term("fulldummy(f):x", "g")]),
    ("(bs(x, df=4) + np.log( z ) | g)", [re_term("bs(x, df=4) + np.log(z)", "g")]),
    (
        '(C(f, Treatment("a|b")) + Q("odd | name") | g)',
        [re_term('C(f, Treatment("a|b")) + Q("odd | name")', "g")],
    ),
    ("(I(x**2) + I((x | z) > 1) | g)", [re_term("I(x ** 2) + I((x | z) > 1)", "g")]),
    # several terms, in the order written, also inside parentheses
    (
        "(1 | s) + (x | d) + (1 | dept)",
        [re_term("", "s"), re_term("x", "d"), re_term("", "dept")],
    ),
    ("((1 | s) + (1 | d))", [re_term("", "s"), re_term("", "d")]),
]


@pytest.mark.parametrize(("text", "terms"), RANDOM_TERMS)
def test_random_terms(text, terms):
    formula = parse(f"y ~ 1 + {text}")
    assert formula.random == tuple(terms)
    assert formula.fixed == "1"


# Response and fixed part; "(1|g)" is appended where no random-effects term is written.
FIXED_PARTS = [
    ("y ~ 1", "y", "1"),
    ("y ~ (1|g)", "y", "1"),
    ("y ~ (1|g) + x", "y", "1 + x"),
    ("y ~ 0 + (1|g)", "y", "0"),
    ("y ~ -1 + (1|g)", "y", "0"),
    ("y ~ (1|g) - 1 + x", "y", "0 + x"),
    ("y ~ x", "y", "1 + x"),
    ("y ~ x + 1", "y", "1 + x"),
    ("y~1+x", "y", "1 + x"),
    ("y ~ x + 0", "y", "0 + x"),
    ("y ~ x - 1", "y", "0 + x"),
    ("y ~ x + -1", "y", "0 + x"),
    ("y ~ 0 + x + 1", "y", "1 + x"),
    ("y ~ x - 0", "y", "1 + x"),
    ("y ~ x + (0 + z)", "y", "0 + x + z"),
    ("y ~ (x + z)", "y", "1 + x + z"),
    ("y ~ b + a", "y", "1 + b + a"),
    ("y ~ service * dept", "y", "1 + service * dept"),
    ("y ~ a:b + a & b & c", "y", "1 + a:b + a:b:c"),
    ("y ~ a*b - a:b", "y", "1 + a * b - a:b"),
    ("y ~ a*b*c - (a + 1)", "y", "0 + a * b * c - a"),
    ("y ~ a + (b - a)", "y", "1 + a + (b - a)"),
    ("y ~ (a + b + c)**2", "y", "1 + (a + b + c)**2"),
    ("y ~ (a + b + c) ^ 2", "y", "1 + (a + b + c)**2"),
    ("y ~ (a + b):c", "y", "1 + (a + b):c"),
    ("y ~ ((a)) : (b*c)", "y", "1 + a:(b * c)"),
    ("y ~ a/b", "y", "1 + a / b"),
    ("y ~ a/(b/c)", "y", "1 + a / (b / c)"),
    ("y ~ center( x ) + np . log(x)", "y", "1 + center(x) + np.log(x)"),
    ("y ~ (x > 3):z", "y", "1 + x > 3:z"),
    ("y ~ f(x, [1, {2: (3, 4)}])", "y", "1 + f(x, [1, {2: (3, 4)}])"),
    ('y ~ Q("a ~ (b | c) # d")', "y", '1 + Q("a ~ (b | c) # d")'),
    ("y ~ x +\n  z", "y", "1 + x + z"),
    ("np.log(y) ~ x", "np.log(y)", "1 + x"),
    ("Q('odd | name') ~ x", "Q('odd | name')", "1 + x"),
    ("y / n ~ x", "I(y / n)", "1 + x"),
    ("(y - 1500) / n^2 ~ x", "I((y - 1500) / n ** 2)", "1 + x"),
    # columns named like Python keywords
    ("yield ~ class", 'Q("yield")', '1 + Q("class")'),
    ("yield - 1500 ~ 1", 'I(Q("yield") - 1500)', "1"),
    ("np.log(yield) ~ C(class, Treatment('a'))", 'np.log(Q("yield"))', None),
    ("y ~ lambda + in + if:is", "y", '1 + Q("lambda") + Q("in") + Q("if"):Q("is")'),
    ("y ~ I(lambda - 1) + f(is, for)", "y", '1 + I(Q("lambda") - 1) + f(Q("is"), Q("for"))'),
    # and keywords that are Python
    ("y ~ I(x in z and not w)", "y", "1 + I(x in z and not w)"),
    ("y ~ f(lambda u: u + 1, x)", "y", "1 + f(lambda u: u + 1, x)"),
    ("hits + misses ~ x", "hits + misses", "1 + x"),
    ("yield + (n - yield) ~ x", 'Q("yield") + I(n - Q("yield"))', "1 + x"),
    ("y ~ f([i for i in x if i is not None])", "y", "1 + f([i for i in x if i is not None])"),
]


@pytest.mark.parametrize(("text", "response", "fixed"), FIXED_PARTS)
def test_fixed_parts(text, response, fixed):
    formula = parse(text if "|g)" in text else f"{text} + (1|g)")
    assert formula.response == response
    assert formula.random == (re_term("", "g"),)
    if fixed is not None:
        assert formula.fixed == fixed
        assert formula.fixed_formula == f"{response} ~ {fixed}"


SAME = [
    ("y ~ x + (x | g)", "y~1+x+( 1+x|g )"),
    ("y ~ x + (1 | a & b)", "y ~ (1 | a:b) + x"),
    ("y ~ x + (x || g)", "y ~ x + (1 | g) + (0 + x | g)"),
    ("y ~ 1 + (x | a/b)", "y ~ (x | a) + (x | a:b)"),
    ("yield ~ (1 | class)", 'Q("yield") ~ 1 + (1 | Q("class"))'),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_model_compare_equal(one, other):
    assert parse(one) == parse(other)
    assert hash(parse(one)) == hash(parse(other))
    assert parse(one).text == one


# <...> surrounds what the error marks.
ERRORS = [
    ("<>", "needs a response"),
    ("<x + (1 | g)>", "needs a response"),
    ("<~> x + (1 | g)", "needs a response"),
    ("y <~>", "term is missing after ~"),
    ("y ~ x <~> (1 | g)", "one tilde"),
    ("y ~ <~> (1 | g)", "one tilde"),
    ("y ~ x + (z <~> 1) + (1 | g)", "one tilde"),
    # bars
    ("y ~ x + 1 <|> g", "in parentheses"),
    ("y ~ x + 1 <||> g", "in parentheses"),
    ("y <|> g ~ x", "in parentheses"),
    ("y ~ x + (1 <|> )", "right of this bar"),
    ("y ~ x + ( <|> g)", "left of this bar"),
    ("y ~ x + (1 | g <|> h)", "one bar"),
    ("y ~ x + (1 + <(1 | h)> | g)", "inside another"),
    ("y ~ x + (1 | <(1 | h)>)", "inside another"),
    ("y ~ x + (<zerocorr(1 | h)> | g)", "inside another"),
    ("y ~ x * <(1 | g)>", "only be added"),
    ("y ~ x - <(1 | g)>", "only be added"),
    ("y ~ x + z:(a + <(1 | g)>)", "only be added"),
    ("<(1 | h)> ~ x + (1 | g)", "response alone"),
    ("y ~ days (1 <|> subj)", r"inside days\(\.\.\.\)"),
    ("y ~ center(x <|> z) + (1 | g)", r"I\(a \| b\)"),
    ("y ~ <zerocorr(x)> + (1 | g)", "zerocorr takes"),
    ("y ~ <zerocorr((1 | g) + (1 | h))>", "zerocorr takes"),
    ("y ~ <fulldummy(f)> + (1 | g)", "fulldummy"),
    ("y ~ x:<fulldummy(f)> + (1 | g)", "fulldummy"),
    # grouping factors
    ("y ~ (1 | <g + h>)", r"\(1 \| g\) \+ \(1 \| h\)"),
    ("y ~ (1 | <a * b>)", "interaction a:b"),
    ("y ~ (1 | a / <(b + c)>)", "grouping factor"),
    ("y ~ (1 | <(a/b):c>)", "write the terms out"),
    ("y ~ (1 | <C(g)>)", "in place of C"),
    ("y ~ (1 | <1>)", "grouping factor"),
    ("y ~ (1 | <a:a>)", "same column twice"),
    # effects
    ("y ~ <(g | g)>", "variable g appears on both sides"),
    ("y ~ <(np.log(a) | a/b)>", "variable a appears on both sides"),
    ("y ~ (1 | g) + <(1 + x | g)>", "intercept appears twice"),
    ("y ~ (x | g) + <(1 | g)>", "intercept appears twice"),
    ("y ~ (1 | a) + <(1 | a/b)>", "intercept appears twice for the grouping factor a,"),
    ("y ~ (1 | a:b) + <(1 | b:a)>", "intercept appears twice"),
    ("y ~ (x | g) + <(0 + x | g)>", "effect x appears twice"),
    ("y ~ (a*b | g) + <(0 + b:a | g)>", "effect b:a appears twice"),
    ("y ~ (x || g) + <zerocorr(x | g)>", "effect x appears twice"),
    ("y ~ <(0 | g)>", "no effects"),
    ("y ~ (1 | g) + <(x - x | g)>", "no effects"),
    # parentheses and operators
    ("y ~ x + <(>1 | g", "never closed"),
    ("y ~ f<(>x + (1 | g)", "never closed"),
    ("y ~ f(x<]> + (1 | g)", "does not close"),
    ("y ~ x + (1 | g)<)>", "without its opening"),
    ("y ~ x<]> + (1 | g)", "without its opening"),
    ("y ~ <()> + (1 | g)", "empty"),
    ("y ~ x + <*> z + (1 | g)", r"missing before \*"),
    ("y ~ <*> z + (1 | g)", r"missing before \*"),
    ("y ~ x <+>", r"missing after \+"),
    ("y ~ (1 <+> | g)", r"missing after \+"),
    ("y ~ (x <:>) + (1 | g)", "missing after :"),
    ("y ~ (1 | g) <x>", "operator is missing before x"),
    ("y ~ (1 | g) <(>1 | h)", r"operator is missing before \("),
    # what is no term
    (f"<y ~ {'(' * 2000}x{')' * 2000} + (1 | g)>", "too deeply"),
    ("y ~ <my x> + (1 | g)", 'Q\\("the name"\\)'),
    ("y ~ <weight.in.kg> + (1 | g)", 'Q\\("the name"\\)'),
    ("y ~ <f(x,,z)> + (1 | g)", "not a Python expression"),
    ("y ~ a<,> b + (1 | g)", "comma"),
    ("y ~ <.> + (1 | g)", "cannot begin"),
    ("y ~ <2> * x + (1 | g)", r"number 2.*I\("),
    ("y ~ <1>:x + (1 | g)", "intercept cannot"),
    ("y ~ <(1 + a)>*b + (1 | g)", "intercept cannot"),
    ("y ~ (a + b)**<c> + (1 | g)", "positive whole number"),
    ("y ~ (a + b)**<0> + (1 | g)", "positive whole number"),
    ("y ~ <-x> + (1 | g)", "minus sign"),
    ('y ~ <"x"> + (1 | g)', "constant"),
    ("y ~ <None> + (1 | g)", "constant"),
    ("y ~ 1 + <2 .> + (1 | g)", "constant"),
    ('y ~ <"x + (1 | g)>', "not closed"),
    ("y ~ x + (1 | g) <#> why", "comment"),
    ("y ~ <`>odd name` + (1 | g)", 'Q\\("odd name"\\)'),
    ("y ~ x <;> z", "no meaning"),
    # the response
    ("<y1 + y2 + y3> ~ x + (1 | g)", r"I\(a \+ b\)"),
    ("<y1 + 1500> ~ x + (1 | g)", r"I\(a \+ b\)"),
    ("y1 + <a:b> ~ x + (1 | g)", "response alone"),
    ("<a:b> ~ x + (1 | g)", "response alone"),
    ("<1> ~ x + (1 | g)", "name a column"),
    # line breaks keep positions
    ("y ~ x +\n <(g | g)>", "both sides"),
]


@pytest.mark.parametrize(("marked", "message"), ERRORS)
def test_errors_mark_the_place(marked, message):
    start, end = marked.index("<"), marked.index(">") - 1
    text = marked.replace("<", "").replace(">", "")
    with pytest.raises(FormulaError, match=message) as caught:
        parse(text)
    error = caught.value
    assert (error.start, error.end) == (start, end)
    sentence, shown, carets = str(error).split("\n")
    assert sentence == error.message
    assert shown == "    " + text.replace("\n", " ")
    assert carets == "    " + " " * start + "^" * max(1, end - start)


VARIABLES = [
    ("y ~ x + (x | g)", "y x g", ""),
    ("yield ~ np.log(x) + (1 | a/b)", "yield x a b", "np"),
    ("y ~ C(f, Treatment) + bs(x, df=k) + (1 | g)", "y f x k g", "Treatment"),
    ("log(y + 1) ~ a*b:a + (d - a | Q('my g'))", "y a b d my-g", ""),
    ("y ~ x.shift(1) + z.str.len() + (fulldummy(f) | g)", "y f g", "x z"),
    ("y ~ f(lambda u: u + v) + I([i for i in w]) + (1 | g)", "y v w g", ""),
    ("y ~ Q('a b') + I(Q('class') > 1) + class + (1 | g)", "y a-b class g", ""),
]


@pytest.mark.parametrize(("text", "columns", "unclear"), VARIABLES)
def test_variables(text, columns, unclear):
    formula = parse(text)
    # Columns with a blank in their names are written with a hyphen above.
    assert variables(formula) == tuple(name.replace("-", " ") for name in columns.split())
    assert variables(formula, attributes=True) == tuple(unclear.split())


def test_variables_of_a_part():
    formula = parse("np.log(y) ~ x*z + (a + fulldummy(f) | g)")
    assert variables(formula.response) == ("y",)
    assert variables(formula.fixed) == ("x", "z")
    assert variables(formula.random[0].effects) == ("a", "f")
    assert variables("") == ()


def test_keyword_columns_reach_patsy():
    data = pd.DataFrame({"yield": [1.0, 2.0, 4.0], "class": list("aba"), "lambda": [3.0, 1.0, 2.0]})
    formula = parse("np.log(yield) ~ class + I(lambda * 2) + (1 | batch)")
    y, x = patsy.dmatrices(formula.fixed_formula, data)
    np.testing.assert_allclose(np.asarray(y)[:, 0], np.log([1, 2, 4]))
    np.testing.assert_array_equal(np.asarray(x), [[1, 0, 6], [1, 1, 2], [1, 0, 4]])
    assert formula.response_name == "np.log(yield)"
    names = [plain_names(name) for name in x.design_info.column_names]
    assert names == ["Intercept", "class[T.b]", "I(lambda * 2)"]
    assert str(formula) == "np.log(yield) ~ 1 + class + I(lambda * 2) + (1 | batch)"


def test_parse_remembers():
    assert parse("y ~ (1 | g)") is parse("y ~ (1 | g)")


def test_long_sums_and_deep_parentheses():
    names = [f"x{i}" for i in range(3000)]
    assert parse(f"y ~ {' + '.join(names)} + (1 | g)").fixed == "1 + " + " + ".join(names)
    assert parse(f"y ~ {'(' * 50}x{')' * 50} + (1 | g)").fixed == "1 + x"


# Properties over generated formulas, with patsy as the judge of what terms a text means.


def _expression(rng, depth):
    atoms = ["a", "b", "c", "d", "np.log(x)", "C(f, Treatment('u|v'))", "yield", "I(x**2)"]
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(atoms)
    operator = rng.choice(["+", "+", "-", "*", "/", ":", "&", "^"])
    left = _expression(rng, depth - 1)
    if operator == "^":
        return f"({left})^{rng.randint(1, 3)}"
    pad = rng.choice(["", " "])
    joined = f"{left}{pad}{operator}{pad}{_expression(rng, depth - 1)}"
    return f"({joined})" if rng.random() < 0.6 else joined


def _sum(rng):
    parts = [_expression(rng, rng.randint(0, 3)) for _ in range(rng.randint(1, 3))]
    parts.insert(rng.randint(0, len(parts)), rng.choice(["1", "0", parts[0]]))
    return " + ".join(parts) + rng.choice(["", "", " - 1", " - a"])


def _for_patsy(code):
    code = re.sub(r"\byield\b", 'Q("yield")', code)
    return code.replace("&", ":").replace("^", "**")


def _patsy_terms(code):
    return patsy.ModelDesc.from_formula(f"~ {code}").rhs_termlist


def _formula(rng):
    fixed = _sum(rng)
    effects = [_sum(rng) for _ in range(rng.randint(1, 2))]
    groups = rng.sample(["g/h", "h:k", "m"], len(effects))
    bars = [rng.choice(["({} | {})", "zerocorr({} | {})", "({}||{})"]) for _ in effects]
    parts = [bar.format(*pair) for bar, *pair in zip(bars, effects, groups, strict=True)]
    parts.insert(rng.randint(0, len(parts)), fixed)
    return fixed, effects, groups, bars, "yield ~ " + " + ".join(parts)


@pytest.mark.parametrize("seed", range(150))
def test_patsy_finds_the_same_terms(seed):
    fixed, effects, groups, bars, text = _formula(random.Random(seed))
    try:
        formula = parse(text)
    except FormulaError as error:
        assert "no effects" in error.message  # such as (0 + a - a | g)
        return
    assert _patsy_terms(formula.fixed) == _patsy_terms(_for_patsy(fixed))
    for code, group, bar in zip(effects, groups, bars, strict=True):
        wanted = {frozenset(f.name() for f in t.factors) for t in _patsy_terms(_for_patsy(code))}
        for part in ["g", "g & h"] if group == "g/h" else [group.replace(":", " & ")]:
            terms = [term for term in formula.random if term.grouping.name == part]
            codes = [
                " + ".join(["1" if term.intercept is PRESENT else "0", term.effects]).rstrip(" +")
                for term in terms
            ]
            found = [
                frozenset(f.name() for f in t.factors) for code in codes for t in _patsy_terms(code)
            ]
            assert len(found) == len(set(found))
            assert set(found) == wanted
            assert len(terms) == (len(wanted) if "||" in bar else 1)


@pytest.mark.parametrize(
    "text",
    [f"y ~ 1 + {text}" for text, _ in RANDOM_TERMS]
    + [text if "|g)" in text else f"{text} + (1|g)" for text, _, _ in FIXED_PARTS]
    + [_formula(random.Random(seed))[-1] for seed in range(1000, 1100)],
)
def test_round_trip(text):
    try:
        formula = parse(text)
    except FormulaError as error:
        assert "no effects" in error.message
        return
    again = parse(str(formula))
    assert again == formula
    assert str(again) == str(formula)
    # No bar outside of strings and I(...) is left for patsy.
    for code in (formula.response, formula.fixed, *(t.effects for t in formula.random)):
        assert "|" not in re.sub(r""""[^"]*"|'[^']*'|I\(\(x \| z\)""", "", code)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_text_is_read_or_refused(seed):
    rng = random.Random(seed)
    for _ in range(25):
        text = list(_formula(rng)[-1] if rng.random() < 0.5 else rng.choice(RANDOM_TERMS)[0])
        text = ["y", " ", "~", " ", *text]
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text))
            text[at : at + rng.randint(0, 1)] = rng.choice("()[]|~+-*/:&^,.'= 01x_\n")
        try:
            formula = parse("".join(text))
        except FormulaError as error:
            assert 0 <= error.start <= error.end <= len(text)
        else:
            assert parse(str(formula)) == formula


# Formulas built by a program.

A, B, C, X, G, H = (term(name) for name in "abcxgh")
ONE, ZERO, Y = term(1), term(0), term("y")
BUILT = [
    (Y.follows(ONE | G), "y ~ (1 | g)"),
    (Y.follows(ONE + A + B + (A & B), ONE | G), "y ~ 1 + a + b + a & b + (1 | g)"),
    (Y.follows(ONE, A * B, ONE + X | G), "y ~ 1 + a*b + (1 + x | g)"),
    (Y.follows(ZERO + A + (ZERO + X | G)), "y ~ 0 + a + (0 + x | g)"),
    (Y.follows(A, ONE | G / H), "y ~ a + (1 | g/h)"),
    (Y.follows(A, ONE | G & H), "y ~ a + (1 | g & h)"),
    (Y.follows(A * B - A, X | G), "y ~ a*b - a + (x | g)"),
    (Y.follows((A + B + C) ** 2, ONE | G), "y ~ (a + b + c)^2 + (1 | g)"),
    (Y.follows((A + B) & C, (A + B) * C, ONE | G), "y ~ (a + b):c + (a + b)*c + (1 | g)"),
    (Y.follows(A / (B / C), ONE | G), "y ~ a/(b/c) + (1 | g)"),
    (Y.follows(A, zerocorr(ONE + X | G)), "y ~ a + zerocorr(1 + x | g)"),
    (Y.follows(ONE | G, zerocorr(X | G)), "y ~ (1 | g) + zerocorr(x | g)"),
    (Y.follows(A, ONE + fulldummy(B) | G), "y ~ a + (1 + fulldummy(b) | g)"),
    (term("yield").follows(ONE | term("batch")), "yield ~ 1 + (1 | batch)"),
    (term("odd | y").follows(ONE | term('"g"')), """Q("odd | y") ~ (1 | Q('"g"'))"""),
    (
        expression("np.log(y)").follows(expression("a + b") * C, ONE | G),
        "np.log(y) ~ (a + b)*c + (1 | g)",
    ),
    (expression("y - 1500").follows(ONE | G), "y - 1500 ~ (1 | g)"),
]


@pytest.mark.parametrize(("built", "text"), BUILT)
def test_built_equals_parsed(built, text):
    assert isinstance(built, MixedFormula)
    assert built == parse(text)
    assert parse(built.text) == built


def test_sum_of_names():
    terms = sum(term(name) for name in [1, "a", "b"])
    built = term("y").follows(terms + (terms | term("g")))
    assert built == parse("y ~ 1 + a + b + (1 + a + b | g)")
    assert str(terms) == "1 + a + b"


def test_misuse_of_terms():
    with pytest.raises(TypeError, match=r"write term\('b'\)"):
        A + "b"
    with pytest.raises(TypeError, match=r"write term\(1\)"):
        1 + A
    with pytest.raises(FormulaError, match="column name, 1 or 0"):
        term(2)
    with pytest.raises(FormulaError, match="needs terms"):
        Y.follows()
    assert Y.follows(A, B) == parse("y ~ a + b")
    assert Y.follows(A, B).random == ()
