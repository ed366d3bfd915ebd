"""Tables: formats of cells, and the same cells in five renderings."""

import io

import pandas as pd
import pytest
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable

from statsmodels_mixed.tables.cell_formats import common_decimals, fixed, p_value, significant
from statsmodels_mixed.tables.document import Document
from statsmodels_mixed.tables.table import Column, Table

NUMBERS = Table(
    (
        Column("name", "", align="left"),
        Column("value", "value", significant, "point"),
        Column("share", "share|all", fixed(1)),
    ),
    (("a_b", 251.4051, 1.0), ("<c>", 10.46729, None), ("d", -0.5, "n/a")),
    title="Numbers & names",
)


# What MixedModels.jl 4.31 prints for the z-values of the documentation page
# "Model constructors" (6.97, 0.17, 4.55, 5.83 and so on).
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8682, "0.8682"),
        (0.0020, "0.0020"),
        (1.00001e-4, "0.0001"),
        (5.4e-6, "<1e-05"),
        (3.2193e-12, "<1e-11"),
        (0.0, "<1e-99"),
        (1e-150, "<1e-99"),
        (1.0, "1.0000"),
        (float("nan"), "nan"),
    ],
)
def test_p_values_below_a_ten_thousandth_show_their_power_of_ten(value, text):
    assert p_value(value) == text


# The numbers and the decimals of tables on the same page.
@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([1388.3332, 37.2603, 2451.2501, 49.5101], 4),
        ([565.51066, 23.78047, 32.68212, 5.71683, 654.94145, 25.59182], 5),
        ([0.714979, 0.845565, 3.135193, 1.770648, 0.302426, 0.549933], 6),
        ([0.0, 0.0, 13.34610, 3.65323], 5),
        ([0.5, 2.0], 1),
        ([0.0], 0),
        ([1.0, float("nan")], 0),
        ([1e-5, 1.0], 5),
        ([1e-12], None),
        ([1e12], None),
    ],
)
def test_common_decimals_give_every_number_six_digits(values, decimals):
    assert common_decimals(values) == decimals


def test_scientific_notation_when_decimals_do_not_suffice():
    assert fixed(None)(1.234567e-15) == "1.23457e-15"


def test_text_lines_up_decimal_points():
    lines = NUMBERS.as_text().splitlines()
    points = {line.index(".") for line in lines[2:]}
    assert lines[0] == "Numbers & names"
    assert len(points) == 1
    assert lines[2].startswith("a_b 251.405 ")


def test_text_fills_the_width_asked_for():
    wide = NUMBERS.as_text(width=60, rules=True).splitlines()
    assert wide[2] == "-" * 60
    assert len(wide[1]) == 60


def test_frame_holds_the_unformatted_cells():
    frame = NUMBERS.to_frame()
    assert list(frame.columns) == ["name", "value", "share"]
    assert frame["value"].tolist() == [251.4051, 10.46729, -0.5]


def test_markdown_escapes_bars():
    lines = NUMBERS.as_markdown().splitlines()
    assert lines[0] == "**Numbers & names**"
    assert lines[2] == "|  | value | share\\|all |"
    assert lines[3] == "| :--- | ---: | ---: |"
    assert lines[4] == "| a_b | 251.405 | 1.0 |"
    assert lines[5] == "| <c> | 10.4673 |  |"


def test_html_escapes_and_can_be_read_back():
    text = NUMBERS.as_html()
    assert "&lt;c&gt;" in text and "Numbers &amp; names" in text
    lxml_free = io.StringIO(text)
    rows = [line for line in lxml_free if line.startswith("<tr>")]
    assert len(rows) == 4
    assert all(row.count("<t") == 4 for row in rows)  # <tr> and three cells


def test_latex_escapes_its_commands():
    text = NUMBERS.as_latex()
    assert "\\textbf{Numbers \\& names}" in text
    assert "a\\_b & 251.405 & 1.0 \\\\" in text
    assert "\\textless{}c\\textgreater{} & 10.4673 &  \\\\" in text
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 1


def test_csv_quotes_where_needed():
    table = Table((Column("a", "a"), Column("b", "b")), (('x,"y"', "plain"),))
    assert pd.read_csv(io.StringIO(table.as_csv())).iloc[0].tolist() == ['x,"y"', "plain"]


def test_a_table_without_labels_has_no_header():
    table = Table((Column("k", "", align="left"), Column("v", "")), (("n", "3"),))
    assert table.as_text() == "n 3"
    assert table.as_text(rules=True) == "n 3"
    assert "midrule" not in table.as_latex()


def test_a_table_without_rows_still_renders():
    table = Table(NUMBERS.columns, ())
    assert table.as_text().split() == ["value", "share|all"]
    assert table.as_html() and table.as_latex() and table.as_markdown()


def test_document_is_a_statsmodels_summary_with_markdown():
    document = Document("Title", [NUMBERS, NUMBERS], ["First note.", "Second."])
    assert isinstance(document, Summary)
    assert all(isinstance(table, SimpleTable) for table in document.tables)
    for text in (
        document.as_text(),
        document.as_html(),
        document.as_latex(),
        document.as_csv(),
        document.as_markdown(),
    ):
        assert text.count("251.405") == 2
        assert "Title" in text and "Second." in text
    assert str(document) == document.as_text()
    assert document._repr_html_() == document.as_html()


def test_what_is_added_to_a_document_is_rendered():
    document = Document("Title", [NUMBERS])
    document.tables.append(SimpleTable([["extra", "cell"]]))
    document.add_extra_txt(["A note."])
    for text in (
        document.as_text(),
        document.as_html(),
        document.as_latex(),
        document.as_csv(),
        document.as_markdown(),
    ):
        assert "extra" in text and "A note." in text


def test_the_cells_of_a_rendered_table_can_be_taken_from_it():
    table = Document("Title", [NUMBERS]).tables[0]
    assert table.data[1] == ["a_b", "251.405", "1.0"]
