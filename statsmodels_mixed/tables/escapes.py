"""Cells in languages in which some characters are commands: LaTeX and comma-separated text."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["csv_cell", "latex_escape", "latex_row"]

_LATEX = {
    **{character: "\\" + character for character in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "|": "\\textbar{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
}


def latex_escape(text: str) -> str:
    """Write characters that LaTeX would take as commands so that they print."""
    return "".join(_LATEX.get(character, character) for character in text)


def latex_row(cells: Sequence[str]) -> str:
    """Return a row of a tabular."""
    return " & ".join(latex_escape(cell) for cell in cells) + " \\\\"


def csv_cell(text: str) -> str:
    """Quote a cell that has a comma, a quote or a line break."""
    if any(character in text for character in ',"\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
