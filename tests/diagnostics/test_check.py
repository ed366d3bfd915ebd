"""What `check` says of a fit: what was found, where, and a formula that is better off."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from statsmodels_mixed import datasets, mixedglm2, mixedlm2


def table(seed: int = 1, levels: int = 40, rows: int = 10) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    g = np.repeat(np.arange(levels), rows)
    data = pd.DataFrame({"g": g, "x": random.normal(size=len(g))})
    data["f"] = random.choice(list("abc"), len(g))
    data["noise"] = random.normal(size=len(g))
    # Without means and slopes by level, so that their variances are estimated as zero.
    for _, own in data.groupby("g"):
        X = np.column_stack([np.ones(len(own)), own["x"]])
        fitted = X @ np.linalg.lstsq(X, own["noise"], rcond=None)[0]
        data.loc[own.index, "noise"] = own["noise"] - fitted
    data["level"] = random.normal(size=levels)[g]
    return data


def quietly(formula: str, data: pd.DataFrame, *family: Any, **options: Any) -> Any:
    make = mixedglm2 if family else mixedlm2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(formula, data, *family).fit(**options)


def codes(fit: Any, **options: Any) -> list[str]:
    return [problem.code for problem in fit.check(**options)]


def test_nothing_to_say_is_said():
    fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    report = fit.check()
    assert report.ok
    assert not report.problems
    assert "Nothing to say against this fit. Looked for: convergence" in str(report)
    assert "Nothing to say" in report._repr_html_()
    assert report.to_frame().empty


def test_a_variance_of_zero_is_named_and_left_out():
    data = table().assign(y=lambda d: d["noise"] + d["level"])
    fit = quietly("y ~ x + zerocorr(1 + x | g)", data)
    (problem,) = fit.check().problems
    assert (problem.code, problem.where) == ("singular", "g: x")
    assert problem.formula == "y ~ 1 + x + (1 | g)"
    better = mixedlm2(problem.formula, data).fit()
    assert not better.issingular()
    assert_allclose(better.objective, fit.objective, rtol=1e-10)


def test_a_singular_matrix_of_effects_that_all_vary_loses_its_correlations():
    data = table()
    data["y"] = data["noise"] + data["level"] * (1.0 + data["x"])
    (problem,) = quietly("y ~ x + (x | g)", data).check().problems
    assert problem.formula == "y ~ 1 + x + zerocorr(1 + x | g)"
    assert "the correlation of Intercept and x is 1" in problem.message


def test_a_grouping_factor_without_variance_is_left_out():
    data = table().assign(y=lambda d: d["noise"] + d["level"], h=lambda d: d.index % 10)
    own = data.groupby("h")["y"].transform("mean")
    data["y"] -= own - own.mean()
    fit = quietly("y ~ x + (1 | g) + (1 | h)", data)
    (problem,) = fit.check().problems
    assert (problem.where, problem.formula) == ("h", "y ~ 1 + x + (1 | g)")
    alone = quietly("noise ~ x + (1 | g)", data).check().problems[0]
    assert alone.formula is None
    assert "smf.ols or smf.glm" in alone.advice


def test_units_do_not_matter():
    data = table().assign(y=lambda d: d["noise"] + d["level"])
    small = data.assign(x=1e-6 * data["x"], y=1e9 * data["y"])
    found = [quietly("y ~ x + (x | g)", each).check().problems for each in (data, small)]
    assert [[p.code for p in one if p.code != "scales"] for one in found] == [["singular"]] * 2
    assert found[0][0].formula == found[1][0].formula


@pytest.mark.parametrize(
    ("formula", "simpler"),
    [
        ("y ~ x + zerocorr(1 + x + f | g)", "y ~ 1 + x + zerocorr(1 + f | g)"),
        ("y ~ x + (0 + x | g) + (1 | g)", "y ~ 1 + x + (1 | g)"),
        ("y ~ x + (1 | g) + (0 + I(x + 0) | g)", "y ~ 1 + x + (1 | g)"),
    ],
)
def test_effects_are_taken_out_of_their_terms(formula, simpler):
    data = table().assign(h=lambda d: d.index % 7)
    shift = pd.Series(np.random.default_rng(2).normal(size=120)).to_numpy()
    data["y"] = data["noise"] + data["level"]
    if "f" in formula:
        codes_of_f = pd.factorize(data["f"], sort=True)[0]
        data["y"] += 3.0 * shift[data["g"] * 3 + codes_of_f]
    fit = quietly(formula, data)
    found = [p for p in fit.check() if p.code == "singular" and p.where.endswith(("x", "0)"))]
    if not found:  # the slopes of this sample vary a little
        pytest.fail(f"not singular in x: {fit.varcorr}")
    assert found[0].formula == simpler


def test_structures_are_left_as_they_are():
    data = table()
    data["y"] = data["noise"] + data["level"] * (1.0 + data["x"])
    fit = quietly("y ~ x + us(1 + x | g)", data)
    (problem,) = fit.check().problems
    assert (problem.code, problem.formula) == ("singular", None)


def test_few_levels_become_fixed():
    data = table(levels=4, rows=30)
    data["y"] = data["noise"] + 3 * data["level"]
    (problem,) = mixedlm2("y ~ x + (1 | g)", data).fit().check().problems
    assert (problem.code, problem.where, problem.formula) == ("few_levels", "g", None)
    data["h"] = np.arange(120) % 20
    data["y"] += np.random.default_rng(3).normal(size=20)[data["h"]]
    (problem,) = mixedlm2("y ~ x + (1 | g) + (1 | h)", data).fit().check().problems
    assert problem.formula == "y ~ 1 + x + C(g) + (1 | h)"
    mixedlm2(problem.formula, data).fit()


def test_a_fit_that_was_stopped():
    data = table().assign(y=lambda d: d["noise"] + d["level"], z=lambda d: d["x"] ** 2)
    fit = quietly("y ~ x + (x + z | g)", data, max_eval=1)
    found = {problem.code: problem for problem in fit.check()}
    assert "The limit of evaluations was reached." in found["not_converged"].message
    assert "Raise max_eval=" in found["not_converged"].advice
    assert "gradient" in found


def test_what_the_columns_have():
    data = table().assign(y=lambda d: d["noise"] + d["level"])
    random = np.random.default_rng(4)
    data["near"] = data["x"] + 0.05 * random.normal(size=len(data))
    data["twice"], data["large"] = 2 * data["x"], 1e5 * random.normal(size=len(data))
    fit = quietly("y ~ x + near + twice + large + (1 | g)", data)
    found = {problem.code: problem for problem in fit.check()}
    assert set(found) == {"rank_deficient", "collinear", "scales"}
    assert found["rank_deficient"].where == "twice"
    assert found["collinear"].where == "x, near"
    X = np.column_stack([np.ones(len(data)), data["near"], data["large"]])
    explained = sm.OLS(data["x"], X).fit().rsquared
    # Random intercepts hardly change the inflation of columns that vary within levels.
    inflation = float(found["collinear"].message.split("up to ")[1].split(" times")[0])
    assert_allclose(inflation, (1 - explained) ** -0.5, rtol=0.05)
    assert found["scales"].where == "near, large" or found["scales"].where == "x, large"


def test_separation_and_not_identified():
    data = table()
    data["u"] = (data["x"] > 0).astype(int)
    data["b"] = np.where(data["u"] == 1, 1, data.index % 2)
    found = quietly("b ~ u + (1 | g)", data, sm.families.Binomial()).check()
    assert (found.problems[0].code, found.problems[0].where) == ("separation", "u")
    data["same"] = data["g"] + 100
    data["y"] = data["noise"] + data["level"]
    found = quietly("y ~ x + (1 | g) + (1 | same)", data).check()
    assert found.problems[0].code == "not_identified"
    assert "same" in found.problems[0].message


def test_as_many_random_effects_as_rows():
    data = table(levels=30, rows=2)
    data["y"] = (np.random.default_rng(1).normal(size=60) + data["level"] > 0).astype(int)
    found = quietly("y ~ x + (x | g)", data, sm.families.Binomial()).check()
    problem = next(problem for problem in found if problem.code == "too_many_effects")
    assert "60 random effects (2 for each of 30 levels)" in problem.message
    assert problem.formula == "y ~ 1 + x + (1 | g)"


def test_counts_are_compared_with_draws_when_asked():
    random = np.random.default_rng(1)
    data = table()
    data["k"] = random.negative_binomial(1, 0.3, len(data))
    fit = quietly("k ~ x + (1 | g)", data, sm.families.Poisson())
    assert "check(simulate=True) looks for overdispersion" in str(fit.check())
    found = fit.check(simulate=True, seed=1)
    assert found.problems[0].code == "overdispersion"
    assert "check(simulate" not in str(found)
    level = random.normal(size=40)[data["g"]]
    data["p"] = random.poisson(np.exp(0.5 + 0.3 * data["x"] + 0.5 * level))
    good = quietly("p ~ x + (1 | g)", data, sm.families.Poisson())
    assert codes(good, simulate=True, seed=1) == []


def test_a_skewed_response_does_not_have_the_normal_distribution():
    data = table()
    random = np.random.default_rng(1)
    data["y"] = np.exp(1.5 * random.normal(size=len(data))) + 2 * data["level"]
    fit = mixedlm2("y ~ x + (1 | g)", data).fit()
    assert codes(fit) == []
    assert codes(fit, simulate=True, seed=1) == ["distribution"]


def test_reports_print_in_lines_and_as_html():
    data = table().assign(y=lambda d: d["noise"] + d["level"])
    report = quietly("y ~ x + (x | g)", data).check()
    lines = str(report).splitlines()
    assert lines[0] == "y ~ 1 + x + (1 + x | g); ML"
    assert lines[1] == "1 thing to know about this fit:"
    assert lines[-1].startswith("   Try: y ~ 1 + x + ")
    assert max(map(len, lines)) <= 88
    assert "<code>y ~ 1 + x + " in report._repr_html_()
    assert report.to_frame()["code"].tolist() == ["singular"]
    assert str(report.problems[0]).endswith(f"Try: {report.problems[0].formula}")


def test_without_data_and_formula():
    data = table().assign(y=lambda d: d["noise"] + d["level"])
    fit = quietly("y ~ x + (x | g)", data)
    fit.remove_data()
    assert codes(fit) == ["singular"]
    X = np.column_stack([np.ones(len(data)), data["x"]])
    model = type(fit.model)(data["y"].to_numpy(), X, data["g"].to_numpy(), X)
    with pytest.warns(UserWarning, match="singular"):
        arrays = model.fit()
    (problem,) = arrays.check().problems
    assert (problem.code, problem.formula) == ("singular", None)
