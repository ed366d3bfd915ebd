"""The page "Model constructors" of MixedModels.jl v4.31: the blocks its linear fits print.

Numbers are compared to the digits printed, which are kept as text in
tests/reference/model_constructors.json.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference.model_constructors import (
    COMPARED,
    FITS,
    NOT_IDENTIFIED,
    ONLY_SUMS,
    UNCONVERGED,
    assert_printed,
    data_of,
    fit,
    half_unit,
    patsy_name,
)
from scipy.stats import multivariate_normal

each_fit = pytest.mark.parametrize("name", FITS)
each_compared = pytest.mark.parametrize("name", COMPARED)


@pytest.mark.parametrize("name", [*COMPARED, ONLY_SUMS])
def test_criteria(name):
    result = fit(name)
    ours = {
        "logLik": result.llf,
        "-2 logLik": result.objective,
        "AIC": result.aic,
        "AICc": result.aicc,
        "BIC": result.bic,
        "REML criterion": result.objective,
    }
    for label, printed in FITS[name]["criteria"].items():
        assert_printed(ours[label], printed)


@pytest.mark.parametrize("name", NOT_IDENTIFIED)
def test_criteria_at_or_below_the_page(name):
    result, page = fit(name), FITS[name]["criteria"]
    assert result.converged
    assert result.llf >= float(page["logLik"]) - half_unit(page["logLik"])
    ours = {"-2 logLik": result.objective, "AIC": result.aic}
    ours |= {"AICc": result.aicc, "BIC": result.bic}
    for label, value in ours.items():
        assert value <= float(page[label]) + half_unit(page[label])
    # The penalties do not depend on the optimum.
    for label, value in ours.items():
        penalty = float(page[label]) - float(page["-2 logLik"])
        assert_allclose(value - result.objective, penalty, atol=1.01e-4)


@each_compared
def test_variance_components(name):
    varcorr, error = fit(name).varcorr.to_frame(), UNCONVERGED.get(name, 0.0)
    page = FITS[name]["components"]
    assert list(varcorr.index) == [(row[0], patsy_name(row[1])) for row in page]
    for ours, (_, _, variance, std_dev, *correlations) in zip(
        varcorr.to_numpy(), page, strict=True
    ):
        assert_printed(ours[0], variance, error)
        assert_printed(ours[1], std_dev, error)
        for value, printed in zip(ours[2:], correlations, strict=False):
            assert_printed(value, "0" if printed == "." else printed)


def test_identified_sums_of_variance_components():
    varcorr, error = fit(ONLY_SUMS).varcorr.to_frame()["variance"], UNCONVERGED[ONLY_SUMS]
    page = FITS[ONLY_SUMS]["components"]
    assert list(varcorr.index) == [(row[0], patsy_name(row[1], full=True)) for row in page]
    theirs = np.array([float(row[2]) for row in page])
    assert_allclose(varcorr.iloc[0], theirs[0], rtol=error)
    assert_allclose(varcorr.iloc[1:-1] + varcorr.iloc[-1], theirs[1:-1] + theirs[-1], rtol=error)


@pytest.mark.parametrize("name", [*COMPARED, *NOT_IDENTIFIED])
def test_varcorr_prints_as_on_the_page(name):
    full = "fulldummy" in name
    page = FITS[name]["components"]
    title, header, *lines = str(fit(name).varcorr).splitlines()
    assert title == "Variance components:"
    correlated = ["Corr."] if any(len(row) > 4 for row in page) else []
    assert header.split() == ["Column", "Variance", "Std.Dev.", *correlated]
    group = None
    for line, (page_group, effect, *numbers) in zip(lines, page, strict=True):
        name_of_group = [] if page_group == group else page_group.split()
        group = page_group
        head = [*name_of_group, *patsy_name(effect, full).split()]
        cells = line.split()
        assert cells[: len(head)] == head
        cells = cells[len(head) :]
        assert len(cells) == len(numbers)
        # Dots where the model fixes a correlation; the same decimals, if identified.
        assert [cell == "." for cell in cells] == [number == "." for number in numbers]
        if name in COMPARED:
            digits = [len(cell.partition(".")[2]) for cell in cells]
            assert digits == [len(number.partition(".")[2]) for number in numbers]
            for cell, number in zip(cells[2:], numbers[2:], strict=True):
                assert cell == number


@each_fit
def test_sizes(name):
    result, page = fit(name), FITS[name]
    assert result.nobs == page["nobs"]
    assert [len(table) for table in result.ranef().values()] == page["levels"]
    groups = list(dict.fromkeys(row[0] for row in page["components"]))
    assert list(result.ranef()) == groups[:-1]


@each_fit
def test_coefficients(name):
    # All but insteval are balanced: there the coefficients are least squares' at any theta.
    # Of insteval the page's own theta is off the optimum by about 1e-7 (ours has a gradient
    # of 1e-6), which shows in one coefficient whose sixth digit lies next to a tie.
    error = 1e-9 if name == "fm5" else 0.0
    table, page = fit(name).coeftable(), FITS[name]["coefficients"]
    assert list(table.index) == [patsy_name(row[0]) for row in page]
    for value, (_, printed, *_) in zip(table["Coef."], page, strict=True):
        assert_printed(value, printed, error / abs(value))


@pytest.mark.parametrize("name", [*COMPARED, ONLY_SUMS])
def test_standard_errors(name):
    result, error = fit(name), UNCONVERGED.get(name, 0.0)
    table = result.coeftable()
    for ours, (_, _, se, z, p) in zip(table.to_numpy(), FITS[name]["coefficients"], strict=True):
        assert_printed(ours[1], se, error)
        assert_printed(ours[2], z, error)
        if p.startswith("<"):
            assert ours[3] < float(p[1:])
            assert ours[3] >= float(p[1:]) / 10 or p == "<1e-99"
        else:
            # The error in z, in terms of p.
            slope = 2 * np.exp(-(ours[2] ** 2) / 2) / np.sqrt(2 * np.pi)
            assert abs(ours[3] - float(p)) <= half_unit(p) + error * abs(ours[2]) * slope


@each_compared
def test_summary_shows_z_and_p_as_the_page(name):
    result = fit(name)
    lines = {line.split("  ")[0]: line.split() for line in str(result.summary()).splitlines()}
    for label, _, _, z, p in FITS[name]["coefficients"]:
        cells = lines[patsy_name(label)]
        assert cells[3:5] == [z, p]


@each_fit
def test_formula_is_shown_as_on_the_page(name):
    # The page writes interactions of the fixed part out, and drops `fulldummy`.
    shown = FITS[name]["shown_formula"]
    ours = fit(name).model.formula_full.replace("fulldummy(days)", "days")
    if name == "fm5":
        shown = shown.replace("service + dept + service & dept", "service * dept")
    assert ours == shown


def random_effects_design(data: pd.DataFrame, group: str, effects: list[str]) -> np.ndarray:
    """Return Z of one grouping factor, written down from the names of its effects."""
    levels = data[group.split(" & ")].astype(str).agg("|".join, axis=1)
    indicators = pd.get_dummies(levels).to_numpy(float)
    columns = []
    for effect in effects:
        day = re.fullmatch(r"days\[(?:T\.)?(\d)\]", effect)
        if effect == "Intercept":
            column = np.ones(len(data))
        elif day:
            column = (data["days"] == int(day[1])).to_numpy(float)
        else:
            column = data[effect].to_numpy(float)
        columns.append(indicators * column[:, None])
    # Level by level, and within a level effect by effect.
    by_level = np.stack(columns, axis=2)
    return by_level.reshape(len(data), -1)


@pytest.mark.parametrize("name", [name for name in FITS if name != "fm5"])
def test_objective_is_the_normal_density_at_the_estimates(name):
    result, data = fit(name), data_of(name)
    V = result.sigma**2 * np.eye(result.nobs)
    for group in result.varcorr.groups:
        Z = random_effects_design(data, group.name, list(group.columns))
        levels = Z.shape[1] // len(group.columns)
        V += Z @ np.kron(np.eye(levels), group.covariance) @ Z.T
    X, y = result.model.exog, result.model.endog
    deviance = -2 * multivariate_normal.logpdf(y, X @ np.asarray(result.params), V)
    if result.reml:
        information = X.T @ np.linalg.solve(V, X)
        deviance += np.linalg.slogdet(information)[1] - X.shape[1] * np.log(2 * np.pi)
    assert_allclose(result.objective, deviance, rtol=1e-9)


@pytest.mark.parametrize(
    "name", [name for name in (*COMPARED, ONLY_SUMS) if name not in ("fm2", "singular")]
)
def test_page_stopped_above_the_optimum(name):
    # Without correlations theta is the printed standard deviations over that of the residual.
    page, result = FITS[name], fit(name)
    *deviations, sigma = [float(row[3]) for row in page["components"]]
    there = result.model.objective(np.array(deviations) / sigma, reml=page["reml"])
    assert there >= result.objective - 1e-10 * abs(result.objective)
    label = "REML criterion" if page["reml"] else "-2 logLik"
    # Digits lost in printing the deviations matter little where the objective is flat.
    assert_allclose(there, float(page["criteria"][label]), atol=1.5e-4)
