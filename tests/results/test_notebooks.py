"""What notebooks show: tables of HTML with the numbers of the object, well formed and escaped."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import datasets, mixedglm2, mixedlm2
from statsmodels_mixed.tables.shown import table_of


class Tables(HTMLParser):
    """Cells of all tables of a page, row by row; an error where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("br", "col"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        self.text.append(data)


def shown(value: Any) -> Tables:
    return Tables(value._repr_html_())


@cache
def fit() -> Any:
    return mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()


@cache
def contra() -> Any:
    data = datasets.load("contra")
    return mixedglm2("use ~ age + urban + (1 | dist)", data, family="binomial").fit()


def test_a_model_shows_its_parts():
    rows = dict(shown(fit().model).rows)
    assert rows["Formula"] == "reaction ~ 1 + days + (1 + days | subj)"
    assert rows["Rows"] == "180"
    assert rows["Random effects of subj"] == "Intercept, days; 18 levels"
    assert "Weights" not in rows
    rows = dict(shown(contra().model).rows)
    assert (rows["Family"], rows["Link"]) == ("binomial", "logit")
    data = datasets.load("sleepstudy").assign(w=1.0, o=2.0)
    model = mixedlm2("reaction ~ days + (1 | subj)", data, weights="w", offset="o")
    assert {"Weights": "given", "Offset": "given"}.items() <= dict(shown(model).rows).items()
    assert str(model).splitlines()[0].strip() == "Linear mixed model"


def test_a_result_its_report_and_its_components():
    assert next(row for row in shown(fit()).rows if row[0] == "days")[:2] == ["days", "10.4673"]
    assert dict(shown(fit().report).rows)["Evaluations"] == str(fit().report.evaluations)
    assert str(fit().report).splitlines()[0].split() == ["Converged:", "yes"]
    assert shown(fit().varcorr).rows[1][0] == "subj"
    assert "Nothing to say" in " ".join(shown(fit().check()).text)


def test_tables_of_random_effects():
    tables = fit().ranef()
    found = shown(tables)
    assert "subj: 18 levels" in found.text
    first = next(row for row in found.rows if row[0] == "S308")
    assert [float(each) for each in first[1:]] == pytest.approx(
        tables["subj"].loc["S308"].tolist(), abs=0.006
    )
    assert [len(each.partition(".")[2]) for each in first[1:]] == [2, 3]
    assert shown(fit().coef_by_group()).rows
    assert shown(fit().ranef(se=True)).rows[0][-1] == "days_std_error"
    crossed = mixedlm2("diameter ~ 1 + (1 | plate) + (1 | sample)", datasets.load("penicillin"))
    assert {"plate: 24 levels", "sample: 6 levels"} <= set(shown(crossed.fit().ranef()).text)
    assert isinstance(tables, dict)
    assert list(tables) == ["subj"]


def test_what_follows_a_fit_shows_its_table():
    replicates = fit().bootstrap(20, seed=1)
    limits = replicates.conf_int(kinds="beta")
    days = next(row for row in shown(replicates).rows if row[:2] == ["beta", "days"])
    assert float(days[2]) == pytest.approx(limits.loc[("beta", "days"), "estimate"], rel=1e-4)
    assert days[-1] == "20"
    assert "20 replicates, 0.0 % singular" in shown(replicates).text
    assert "20 replicates" in str(replicates).splitlines()[-1]
    profile = shown(fit().profile("beta", level=0.9))
    assert "90 % profile intervals" in profile.text
    assert [row[1] for row in profile.rows[1:]] == ["Intercept", "days"]
    power = shown(fit().power(20, seed=1))
    assert power.rows[0][1:] == ["power", "se", "lower", "upper", "replicates"]
    assert shown(fit().re_pca()["subj"]).rows[1][0] == "PC1"


def test_long_tables_show_their_head():
    influence = fit().influence("subj")
    rows = shown(influence).rows
    assert [row[0] for row in rows[1:]] == list(influence.cooks_distance().nlargest(10).index)
    assert "The 10 cases of the largest Cook's distances, of 18." in shown(influence).text
    prediction = fit().get_prediction()
    assert len(shown(prediction).rows) == 21
    assert "The first 20 of 180 rows." in str(prediction)
    few = contra().get_prediction(datasets.load("contra").head(2))
    assert len(shown(few).rows) == 3


def test_simulated_residuals_show_their_tests():
    simulated = fit().simulated_residuals(20, seed=1)
    names = [row[0] for row in shown(simulated).rows[1:]]
    assert names == ["uniformity", "dispersion", "outliers"]
    assert len(shown(contra().simulated_residuals(20, seed=1)).rows) == 5


def test_names_are_escaped():
    data = datasets.load("sleepstudy").rename(columns={"days": "a<b>"})
    model = mixedlm2('reaction ~ Q("a<b>") + (1 | subj)', data)
    assert "<b>" not in model._repr_html_()
    assert "<b>" not in model.fit()._repr_html_()


def test_columns_of_numbers_go_together():
    frame = pd.DataFrame(
        {
            "alike": [12.345678, -1.2, np.nan],
            "wide": [1e-5, 1.0, 1e5],
            "pvalue": [9e-13, 0.03, 1.0],
            "count": [1, 2, 3],
        },
        index=pd.Index(["a", "b", "c"], name="row"),
    )
    table = table_of(frame, most=2)
    assert table.header == ["row", "alike", "wide", "pvalue", "count"]
    assert table.cells() == [
        ["a", "12.346", "1e-05", "<1e-12", "1"],
        ["b", "-1.200", "1", "0.0300", "2"],
    ]
