"""Messages are sentences, and the prose of the code is free of phrases that read badly."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "statsmodels_mixed").rglob("*.py"))
PROSE = [*SOURCES, *sorted((ROOT / "csrc").rglob("*.[ch]")), *sorted((ROOT / "docs").glob("*.md"))]
RETIRED = re.compile(
    r"\b(told (from|apart)|whatever|so many|lets for|may do\b|stands (for|twice|on)|"
    r"lies? within (an)?other|tells? (whether|which|apart))",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _messages(path: Path) -> Iterator[tuple[int, str]]:
    """Line and end of the message of every error that is raised with a text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args):
            continue
        text = node.exc.args[0]
        last = text.values[-1] if isinstance(text, ast.JoinedStr) else text
        if isinstance(last, ast.Constant) and isinstance(last.value, str):
            yield node.lineno, last.value
        elif isinstance(text, ast.JoinedStr) and "error" not in ast.unparse(last):
            yield node.lineno, "a value"  # the message of another error ends by itself


def test_messages_end_with_a_period():
    found = [(name_of(path), *message) for path in SOURCES for message in _messages(path)]
    assert len(found) > 200
    assert [one for one in found if not one[2].rstrip().endswith((".", "?"))] == []


@pytest.mark.parametrize("path", PROSE, ids=name_of)
def test_no_retired_phrase(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [(at, line) for at, line in enumerate(lines, 1) if RETIRED.search(line)] == []
