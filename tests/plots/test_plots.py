"""Plots of fits: what is drawn is what the fit says, in the order and under the names asked."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy.stats import norm

from statsmodels_mixed import DataError, OptionError, datasets, mixedglm2, mixedlm2, plots
from statsmodels_mixed.plots.residual_plots import smooth
from statsmodels_mixed.plots.shrinkage import within_levels

plt = pytest.importorskip("matplotlib.pyplot")


@cache
def sleep() -> Any:
    return mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()


@cache
def penicillin() -> Any:
    return mixedlm2("diameter ~ 1 + (1 | plate) + (1 | sample)", datasets.load("penicillin")).fit()


@cache
def pastes() -> Any:
    return mixedlm2("strength ~ 1 + (1 | batch/cask)", datasets.load("pastes")).fit()


@cache
def herds() -> Any:
    data = datasets.load("cbpp").copy()
    data["healthy"] = data["hsz"] - data["incid"] if "hsz" in data else data["size"] - data["incid"]
    binomial = sm.families.Binomial()
    return mixedglm2("incid + healthy ~ period + (1 | herd)", data, binomial).fit()


def titles(figure: Any) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


def names(ax: Any) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def intervals(ax: Any, number: int = 0) -> np.ndarray:
    """Ends and height of the horizontal lines of a collection, shape (l, 3)."""
    segments = ax.collections[number].get_segments()
    return np.array([[part[0, 0], part[1, 0], part[0, 1]] for part in segments])


# Conditional modes.


def test_a_caterpillar_has_modes_in_order_with_their_intervals():
    fit = sleep()
    left, right = fit.plot.caterpillar(level=0.9).axes
    modes = fit.ranef()["subj"].sort_values("Intercept")
    assert names(left) == list(modes.index)
    half = (
        norm.isf(0.05)
        * pd.DataFrame(
            np.sqrt(np.einsum("lkk->lk", fit.condvar()["subj"])), fit.ranef()["subj"].index
        )
        .loc[modes.index]
        .to_numpy()
    )
    for i, ax in enumerate((left, right)):
        value = modes.iloc[:, i].to_numpy()
        assert_allclose(ax.lines[-1].get_xdata(), value)
        assert_allclose(intervals(ax)[:, 0], value - half[:, i])
        assert_allclose(intervals(ax)[:, 1], value + half[:, i])
        assert_allclose(intervals(ax)[:, 2], np.arange(18))


def test_the_order_of_a_caterpillar():
    by_slope = sleep().plot.caterpillar(order="days").axes[0]
    assert names(by_slope) == list(sleep().ranef()["subj"].sort_values("days").index)
    as_they_are = sleep().plot.caterpillar(order=False).axes[0]
    assert names(as_they_are)[::-1] == list(sleep().ranef()["subj"].index)  # the first on top


def test_levels_by_name_and_by_number():
    ax = sleep().plot.caterpillar(terms="days", levels=["S308", "S335"]).axes[0]
    assert names(ax) == ["S335", "S308"]
    few = sleep().plot.caterpillar(terms="days", levels=3).axes[0]
    modes = sleep().ranef()["subj"]["days"].sort_values()
    assert (names(few)[0], names(few)[-1]) == (modes.index[0], modes.index[-1])


def test_panels_of_crossed_nested_and_generalized_fits():
    assert titles(penicillin().plot.caterpillar()) == ["plate: Intercept", "sample: Intercept"]
    nested = pastes().plot.caterpillar(groups="batch & cask").axes[0]
    assert {"A & a", "J & c"} <= set(names(nested))
    assert names(herds().plot.qq_caterpillar().axes[0])
    assert len(names(herds().plot.caterpillar().axes[0])) == 15


def test_one_panel_goes_into_given_axes_and_several_do_not():
    _, ax = plt.subplots()
    assert sleep().plot.caterpillar(terms="days", ax=ax) is ax
    assert ax.get_title() == "subj: days"
    with pytest.raises(OptionError, match=r"2 \(subj: Intercept, subj: days\): choose one by"):
        sleep().plot.caterpillar(ax=ax)
    with pytest.raises(OptionError, match="not Figure"):
        sleep().plot.residuals(ax=ax.figure)


def test_quantiles_of_a_qq_caterpillar():
    ax = sleep().plot.qq_caterpillar(terms="days").axes[0]
    assert_allclose(ax.lines[-1].get_ydata(), norm.ppf((np.arange(18) + 0.5) / 18))
    assert_allclose(ax.lines[-1].get_xdata(), np.sort(sleep().ranef()["subj"]["days"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": "item"}, "groups= 'item' is not among subj"),
        ({"terms": "day"}, "terms= 'day' is not among Intercept, days"),
        ({"levels": ["S1"]}, r"'S1' is no level of the fit \(S308, S309"),
        ({"levels": 0}, "show at least one"),
        ({"levels": []}, "levels= is empty"),
        ({"level": 95}, "between 0 and 1"),
        ({"order": "x"}, "order= 'x' is not among"),
    ],
)
def test_what_is_not_there_is_named(options, message):
    with pytest.raises(OptionError, match=message):
        sleep().plot.caterpillar(**options)


def test_levels_by_name_need_one_grouping_factor():
    with pytest.raises(OptionError, match=r"add groups= \(plate, sample\)"):
        penicillin().plot.caterpillar(levels=["A"])


def test_labels_give_way_to_a_count_when_there_are_many():
    data = pd.DataFrame({"g": np.repeat(np.arange(400), 3)})
    random = np.random.default_rng(1)
    data["y"] = random.normal(size=400)[data["g"]] + random.normal(size=1200)
    ax = mixedlm2("y ~ 1 + (1 | g)", data).fit().plot.caterpillar().axes[0]
    assert (names(ax), ax.get_ylabel()) == ([], "g (400 levels)")


# Shrinkage.


def test_shrinkage_starts_at_least_squares_within_levels():
    fit, data = sleep(), datasets.load("sleepstudy")
    free = within_levels(fit._results, 0)
    for row, (_, rows) in enumerate(data.groupby("subj", observed=True)):
        alone = np.polyfit(rows["days"].to_numpy(float), rows["reaction"].to_numpy(float), 1)[::-1]
        assert_allclose(free[row] + fit.params.to_numpy(), alone, rtol=1e-8)
    ax = fit.plot.shrinkage().axes[0]
    at = ax.lines[0].get_xydata()
    assert_allclose(at, free)
    assert_allclose(ax.lines[1].get_xydata(), fit.ranef()["subj"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "within the level",
        "conditional mode",
    ]


def test_shrinkage_of_a_generalized_fit_is_towards_zero():
    ax = herds().plot.shrinkage().axes[0]
    free, modes = ax.lines[0].get_xdata(), ax.lines[1].get_xdata()
    assert np.all(np.sign(free) == np.sign(modes))
    assert np.all(np.abs(free) > np.abs(modes))


def test_a_level_that_does_not_determine_its_effects_has_no_arrow():
    data = datasets.load("sleepstudy")
    data = data[~((data["subj"] == "S308") & (data["days"] > 0))]
    fit = mixedlm2("reaction ~ days + (days | subj)", data).fit()
    free = fit.plot.shrinkage().axes[0].lines[0].get_xydata()
    assert np.isnan(free).all(axis=1).tolist() == [True] + [False] * 17


# Coefficients.


def test_coefficients_of_several_fits():
    data = datasets.load("sleepstudy")
    other, ols = (
        mixedlm2("reaction ~ 1 + (1 | subj)", data).fit(),
        smf.ols("reaction ~ days", data).fit(),
    )
    ax = sleep().plot.coefficients(other, ols, names=["a", "b", "c"], level=0.9)
    assert names(ax) == ["Intercept", "days"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    for number, fit in enumerate((sleep(), other, ols)):
        limits = np.asarray(fit.conf_int(alpha=0.1))
        assert_allclose(intervals(ax, number)[:, :2], limits)
        assert_allclose(ax.lines[1 + number].get_xdata(), fit.params)


def test_coefficients_have_the_degrees_of_freedom_of_the_fit():
    fit = sleep().with_inference(dof="satterthwaite")
    ax = fit.plot.coefficients(terms=["days"])
    assert_allclose(intervals(ax)[0, :2], np.asarray(fit.conf_int())[1])
    with pytest.raises(OptionError, match="2 names for 1 fits"):
        fit.plot.coefficients(names=["a", "b"])
    with pytest.raises(OptionError, match="not DataFrame"):
        fit.plot.coefficients(pd.DataFrame())


# Residuals.


def test_residuals_against_fitted_values():
    ax = sleep().plot.residuals()
    points = ax.collections[0].get_offsets()
    assert_allclose(points[:, 0], sleep().fittedvalues)
    assert_allclose(points[:, 1], sleep().resid)
    binary = herds().plot.residuals(kind="deviance", scale="link")
    points = binary.collections[0].get_offsets()
    mu = np.asarray(herds().fittedvalues)
    assert_allclose(points[:, 0], np.log(mu / (1 - mu)))
    assert binary.get_ylabel() == "deviance residual"
    with pytest.raises(OptionError, match='"response" or "link"'):
        sleep().plot.residuals(scale="log")


def test_the_curve_through_residuals_is_lowess():
    x = np.linspace(0.0, 1.0, 200)
    curve = smooth(x, 3.0 * x)
    assert_allclose(curve[1], 3.0 * curve[0], atol=1e-10)


def test_quantiles_and_size_of_residuals():
    scaled = sleep().residuals("pearson", scaled=True).to_numpy()
    assert_allclose(sleep().plot.qq().lines[0].get_ydata(), np.sort(scaled))
    points = sleep().plot.scale_location().collections[0].get_offsets()
    assert_allclose(points[:, 1], np.sqrt(np.abs(scaled)))


# Lines of levels.


def test_fitted_lines_of_the_sleepstudy_lattice():
    figure = sleep().plot.fitted_lines()
    assert len(figure.axes) == 18
    ax = next(ax for ax in figure.axes if ax.get_title() == "S308")
    population, level = ax.lines
    fixed, mode = sleep().params, sleep().ranef()["subj"].loc["S308"]
    days = np.arange(10.0)
    assert_allclose(population.get_ydata(), fixed["Intercept"] + fixed["days"] * days)
    own = fixed["Intercept"] + mode["Intercept"] + (fixed["days"] + mode["days"]) * days
    assert_allclose(level.get_xydata(), np.column_stack([days, own]))
    data = datasets.load("sleepstudy").query("subj == 'S308'")
    assert_allclose(ax.collections[0].get_offsets()[:, 1], data["reaction"])
    shown = [ax.get_title() for ax in figure.axes]
    assert shown == list(sleep().ranef()["subj"].sort_values("Intercept").index)


def test_fitted_lines_hold_the_other_columns_at_those_of_the_level():
    random = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(30)], 8)})
    data["x"], data["z"] = random.normal(size=240), random.normal(size=240)
    data["f"] = np.where(data["g"] < "g2", "a", "b")
    data["n"] = random.uniform(1, 3, 240)
    data["y"] = random.poisson(data["n"] * np.exp(0.3 * data["x"] + 0.2 * data["z"]))
    poisson = sm.families.Poisson()
    fit = mixedglm2("y ~ x + z + f + (1 | g)", data, poisson, exposure="n").fit()
    ax = fit.plot.fitted_lines("x", levels=["g7"]).axes[0]
    rows = data[data["g"] == "g7"]
    at = ax.lines[1].get_xdata()
    new = pd.DataFrame({"x": at, "z": rows["z"].mean(), "f": "b", "n": rows["n"].mean(), "g": "g7"})
    assert_allclose(ax.lines[1].get_ydata(), fit.predict(new, re=True))
    array = mixedglm2("y ~ x + z + f + (1 | g)", data, poisson, exposure=data["n"]).fit()
    ax = array.plot.fitted_lines("x", levels=["g7"]).axes[0]
    mean = np.log(data["n"]).mean()
    assert_allclose(ax.lines[1].get_ydata(), array.predict(new, re=True, offset=mean, exposure=1.0))


def test_fitted_lines_along_categories_and_together():
    figure = herds().plot.fitted_lines(levels=4)
    assert len([ax for ax in figure.axes if ax.get_title()]) == 4
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["1", "2", "3", "4"]
    _, ax = plt.subplots()
    assert herds().plot.fitted_lines(ax=ax) is ax
    assert len(ax.collections[1].get_segments()) == 15
    with pytest.raises(OptionError, match="no column of the model varies within levels of plate"):
        penicillin().plot.fitted_lines()
    with pytest.raises(OptionError, match="x='weeks' is not among the columns days"):
        sleep().plot.fitted_lines("weeks")


def test_numbers_that_are_categories_have_no_means():
    random = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 9), "x": random.normal(size=180)})
    data["dose"] = np.tile([1, 2, 2, 4, 4, 4, 4, 8, 8], 20)
    data["y"] = random.normal(size=180) + random.normal(size=20)[data["g"]] + data["x"]
    fit = mixedlm2("y ~ x + C(dose) + (1 | g)", data).fit()
    ax = fit.plot.fitted_lines("x", levels=[3]).axes[0]
    at = ax.lines[1].get_xdata()
    new = pd.DataFrame({"x": at, "dose": 4, "g": 3})
    assert_allclose(ax.lines[1].get_ydata(), fit.predict(new, re=True))
    along = fit.plot.fitted_lines("dose", levels=[3]).axes[0]
    assert_allclose(along.lines[1].get_xdata(), [1, 2, 4, 8])


def test_fits_with_correlated_residuals_have_the_plots_that_need_no_more():
    data = datasets.load("sleepstudy")
    fit = mixedlm2("reaction ~ days + (1 | subj)", data, residual="ar1(days | subj)").fit()
    normalized = fit.residuals("normalized")
    assert_allclose(fit.plot.qq(kind="normalized").lines[0].get_ydata(), np.sort(normalized))
    assert len([ax for ax in fit.plot().axes if ax.axison]) == 3
    assert len(fit.plot.fitted_lines().axes) == 18
    assert names(fit.plot.coefficients()) == ["Intercept", "days"]
    in_order = fit.ranef()["subj"].sort_values("Intercept").index
    assert names(fit.plot.caterpillar().axes[0]) == list(in_order)
    with pytest.raises(OptionError, match="residuals to be independent"):
        fit.plot.shrinkage()
    alone = mixedlm2("reaction ~ days", data, residual="ar1(days | subj)").fit()
    with pytest.raises(OptionError, match="this fit has no random effects to draw"):
        alone.plot.fitted_lines()
    assert alone.check().ok


def test_lines_need_a_formula_and_data():
    data = datasets.load("sleepstudy")
    X = np.column_stack([np.ones(180), data["days"]])
    arrays = smf.mixedlm2("reaction ~ days + (1 | subj)", data).__class__(
        data["reaction"].to_numpy(), X, groups=data["subj"].to_numpy()
    )
    with pytest.raises(DataError, match="needs a model made from a formula"):
        arrays.fit().plot.fitted_lines()
    assert len(arrays.fit().plot.caterpillar().axes) == 1
    bare = mixedlm2("reaction ~ days + (1 | subj)", data).fit()
    bare.remove_data()
    with pytest.raises(DataError, match="data of this result were removed"):
        bare.plot.caterpillar()


# Random effects.


def test_the_scatter_matrix_of_random_effects():
    figure = sleep().plot.random_effects()
    scatter, correlation = figure.axes[2], figure.axes[1]
    assert_allclose(scatter.collections[0].get_offsets(), sleep().ranef()["subj"])
    value = sleep().varcorr["subj"].correlation[1, 0]
    assert correlation.texts[0].get_text() == f"r = {value:.2f}"
    assert len(penicillin().plot.random_effects(groups="sample").axes) == 1
    _, ax = plt.subplots()
    assert sleep().plot.random_effects(ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Intercept", "days")


# Profile, bootstrap, influence, simulated residuals.


@cache
def profile() -> Any:
    return sleep().profile(["beta", "sd"])


def test_zeta_and_its_intervals():
    figure = profile().plot(levels=[0.95])
    assert titles(figure) == ["Intercept", "days", "subj.Intercept", "subj.days"]
    assert titles(sleep().profile("sigma").plot()) == ["sigma"]
    ends = figure.axes[1].collections
    drawn = [float(each.get_segments()[0][0, 0]) for each in ends]
    assert_allclose(drawn, profile().conf_int().loc[("beta", "days"), ["lower", "upper"]])
    line = figure.axes[1].lines[1]
    curve = profile()["beta", "days"]
    assert_allclose(line.get_ydata(), curve.zeta_at(line.get_xdata()))
    _, ax = plt.subplots()
    assert profile().plot.zeta(kinds="beta", names="days", absolute=True, ax=ax) is ax
    assert ax.lines[1].get_ydata().min() >= 0
    with pytest.raises(OptionError, match="'corr' is not profiled: beta, sd are"):
        profile().plot.density(kinds="corr")


def test_densities_of_a_profile_have_mass_one():
    for ax in profile().plot.density(kinds="beta").axes:
        x, y = ax.lines[1].get_data()
        assert abs(np.trapezoid(y, x) - 0.999) < 2e-3


def test_replicates_as_densities_and_ridges():
    replicates = sleep().bootstrap(60, seed=1)
    limits = replicates.conf_int(method="shortest", kinds="beta")
    ax = replicates.plot.ridge()
    assert names(ax) == ["Intercept", "days"]
    marks = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "|"]
    assert_allclose(marks, limits["estimate"])
    panel = replicates.plot(kinds="beta", names="days").axes[0]
    inside = panel.collections[0].get_paths()[0].vertices[:, 0]
    lower, upper = limits.loc[("beta", "days"), ["lower", "upper"]]
    assert lower <= inside.min() and inside.max() <= upper
    x, y = panel.lines[0].get_data()
    assert abs(np.trapezoid(y, x) - 1.0) < 0.05
    with pytest.raises(OptionError, match="no parameter is left"):
        penicillin().bootstrap(3, seed=1).plot.ridge(intercept=False)


def test_influence_names_the_largest():
    influence = sleep().influence("subj")
    distances = influence.cooks_distance()
    ax = influence.plot(label=2)
    assert_allclose(ax.lines[-1].get_ydata(), distances)
    assert [text.get_text() for text in ax.texts] == list(distances.nlargest(2).index)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list(distances.index)
    figure = sleep().plot.influence("subj", kind="dfbetas")
    assert titles(figure) == ["Intercept", "days"]
    assert_allclose(figure.axes[1].lines[1].get_ydata(), influence.dfbetas()["days"])
    with pytest.raises(OptionError, match="'cooks_distance', 'dfbetas', not 'cook'"):
        sleep().plot.influence(kind="cook")


def test_simulated_residuals_are_drawn_sorted_and_against_columns():
    simulated = sleep().simulated_residuals(99, seed=1)
    qq, against = simulated.plot().axes
    assert_allclose(qq.lines[1].get_ydata(), np.sort(simulated.residuals))
    assert_allclose(against.collections[0].get_offsets()[:, 1], simulated.residuals)
    data = datasets.load("sleepstudy")
    ax = simulated.plot.against(data["subj"])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == sorted(set(data["subj"]))
    shuffled = simulated.plot.against(data["days"])
    assert_allclose(shuffled.collections[0].get_offsets()[:, 0], data["days"])
    with pytest.raises(OptionError, match="3 values for the 180 rows"):
        simulated.plot.against([1, 2, 3])
    with pytest.raises(OptionError, match=r"no column of the formula \(reaction, days, subj\)"):
        sleep().plot.simulated_residuals("item")


def test_quartiles_against_a_predictor_are_those_of_its_values():
    simulated = sleep().simulated_residuals(99, seed=1)
    days = datasets.load("sleepstudy")["days"]
    median = simulated.plot.against(days).lines[4]
    expected = simulated.residuals.groupby(days.to_numpy()).median()
    # Ten values of 18 rows each are fewer than 20 rows, so that some are joined.
    assert len(median.get_xdata()) <= 10
    assert abs(np.mean(median.get_ydata()) - expected.mean()) < 0.05


# How plots are reached.


def test_plots_list_what_they_have():
    fit = sleep()
    assert repr(fit.plot).startswith("<Plots: plot(), plot.caterpillar(), plot.coefficients()")
    assert fit.plot.caterpillar.__doc__ == plots.caterpillar.__doc__
    assert len(fit.plot().axes) == 4
    assert len(plots.caterpillar(fit).axes) == 2


def test_matplotlib_is_loaded_by_the_first_plot_and_missed_in_a_sentence():
    code = """
import sys
from statsmodels_mixed import mixedlm2, datasets, OptionError
fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
fit.plot, fit.plot.caterpillar
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None
try:
    fit.plot.caterpillar()
except OptionError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "plots need matplotlib, which is not installed: run "
        "pip install 'statsmodels_mixed[plots]'.\n"
    )


def test_what_the_data_do_not_determine_is_left_out():
    data = datasets.load("oxide")
    data = data.rename(columns=str.lower)
    formula = "thickness ~ source + (1 + source | lot) + (1 | lot:wafer)"
    with pytest.warns(UserWarning, match="do not determine"):
        fit = mixedlm2(formula, data).fit()
    assert titles(fit.plot.shrinkage()) == ["lot & wafer"]
    with pytest.raises(OptionError, match="no level of lot determines its random effects"):
        fit.plot.shrinkage(groups="lot")
    assert len(fit.plot.random_effects(groups="lot").axes) == 4
    replicates = fit.bootstrap(10, seed=1)
    assert "sigma" in titles(replicates.plot())
    assert "<table" in replicates._repr_html_()
