"""Mixed models in tables of several models by other packages, whichever is imported first."""

import subprocess
import sys

import numpy as np
import pytest
import statsmodels.formula.api as smf
from statsmodels.iolib.summary2 import summary_col

from statsmodels_mixed import datasets


@pytest.fixture(scope="module")
def fits():
    sleep = datasets.load("sleepstudy")
    ols = smf.ols("reaction ~ days", sleep).fit()
    mixed = smf.mixedlm2("reaction ~ days + (days | subj)", sleep)
    contra = smf.mixedglm2("use ~ urban + (1 | dist)", datasets.load("contra"), "binomial")
    return ols, mixed.fit(reml=True, dof="kenward-roger"), contra.fit()


def test_lines_of_a_fit(fits):
    # Of lme4's vignette: standard deviations 24.74, 5.92 and 25.59 by REML.
    assert fits[1].table_lines(2) == {
        "Groups (subj)": "18",
        "SD (subj: Intercept)": "24.74",
        "SD (subj: days)": "5.92",
        "Residual sd": "25.59",
        "Std. Errors": "Kenward-Roger",
    }
    assert "Residual sd" not in fits[2].table_lines()


def test_summary_col(fits):
    table = summary_col(list(fits), model_names=["OLS", "mixed", "contra"]).tables[0]
    assert table.loc["Groups (subj)"].tolist() == ["", "18", ""]
    assert table.loc["SD (subj: days)", "mixed"].startswith("5.92")
    assert table.loc["SD (dist: Intercept)", "contra"].startswith("0.43")
    assert table.loc["Std. Errors", "mixed"] == "Kenward-Roger"


def test_stargazer(fits):
    from stargazer.stargazer import Stargazer

    table = Stargazer(list(fits))
    html = table.render_html()
    assert "N. of groups" in html and ">18<" in html and ">60<" in html
    # The residual standard deviation of the model, not one that takes modes for coefficients.
    assert "25.592" in html
    naive = np.sqrt(np.sum(fits[1].resid ** 2) / fits[1].df_resid)
    assert f"{naive:.3f}" not in html
    latex = table.render_latex().splitlines()
    rows = {line.split("&")[0].strip(): line.split("&")[1:] for line in latex if "&" in line}
    own = ["SD (subj: Intercept)", "SD (subj: days)", "SD (dist: Intercept)", "Std. Errors"]
    assert [label for label in rows if label in own] == own
    assert [cell.strip(" \\") for cell in rows["SD (subj: days)"]] == ["", "5.922", ""]
    assert [cell.strip(" \\") for cell in rows["Std. Errors"]][1] == "Kenward-Roger"
    table.show_random_sd = False
    assert "SD (" not in table.render_html() and "SD (" not in Stargazer([fits[0]]).render_html()


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SingularFitWarning")
def test_stargazer_shows_a_variance_at_zero():
    from stargazer.stargazer import Stargazer

    small = smf.mixedlm2("yield ~ 1 + (1 | batch)", datasets.load("dyestuff2")).fit()
    assert "<td>0</td>" in Stargazer([small]).render_html()


def test_maketables(fits):
    maketables = pytest.importorskip("maketables", reason="maketables is not installed")
    html = maketables.ETable(list(fits)).make(type="html")
    for text in ("Groups (subj)", "SD (dist: Intercept)", "Kenward-Roger", "24.740", "0.286"):
        assert text in html
    chosen = maketables.ETable([fits[1]], model_stats=["N", "SD (subj: days)"]).make(type="tex")
    assert "5.922" in chosen and "AIC" not in chosen


# Pyfixest and maketables use what pandas 3.1 no longer wants.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_maketables_beside_pyfixest(fits):
    maketables = pytest.importorskip("maketables", reason="maketables is not installed")
    pyfixest = pytest.importorskip("pyfixest", reason="pyfixest is not installed")
    within = pyfixest.feols("reaction ~ days | subj", datasets.load("sleepstudy"))
    table = maketables.ETable([within, *fits[:2]]).df
    days = table.loc[("coef", "days")]
    assert all(cell.startswith("10.467") for cell in days)
    assert table.loc[("stats", "SD (subj: days)")].tolist()[2] == "5.922"


ORDERS = {
    "after": "import statsmodels_mixed; from stargazer.stargazer import RESULTS_CLASSES",
    "before": "from stargazer.stargazer import RESULTS_CLASSES; import statsmodels_mixed",
}


@pytest.mark.parametrize("order", ORDERS)
def test_registers_are_entered_in_any_order(order):
    code = ORDERS[order] + "; print(*(kind.__name__ for kind in RESULTS_CLASSES))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "MixedModelResultsWrapper" in done.stdout


def test_importing_this_package_imports_no_other():
    code = "import sys, statsmodels_mixed; print({'stargazer', 'maketables'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
