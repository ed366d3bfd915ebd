"""The examples of a documentation page: found, run, and written anew.

A block fenced as ``python`` holds doctest examples, one fenced as ``console`` commands of
this package, each after a ``$``. All examples of a page share their variables.

    python tests/pages.py docs/tutorial.md    # replace the outputs by what is printed now
"""

from __future__ import annotations

import doctest
import io
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
DECIMAL = re.compile(r"\d+\.(\d+)(?:e([+-]\d+))?")
FENCE = re.compile(r"^```(\{?\w*\}?)\s*$")
COMMAND = "$ python -m statsmodels_mixed "


@dataclass(frozen=True)
class Example:
    """Source, expected output, and the lines of that output, counted from 0."""

    source: str
    want: str
    first: int
    last: int
    is_command: bool

    def run(self, variables: dict[str, Any]) -> str:
        """Return what the example prints."""
        out = io.StringIO()
        # What a page shows must not depend on the terminal it is run in.
        with redirect_stdout(out), pd.option_context("display.width", 88):
            if self.is_command:
                _run_command(self.source)
            else:
                _run_code(self.source, variables)
        return out.getvalue()


def _run_command(source: str) -> None:
    from statsmodels_mixed.__main__ import main

    assert main(shlex.split(source)) == 0, source


def _run_code(source: str, variables: dict[str, Any]) -> None:
    try:
        exec(compile(source, "<page>", "single"), variables)
    except Exception as error:
        last = "".join(traceback.format_exception_only(error))
        sys.stdout.write(f"Traceback (most recent call last):\n    ...\n{last}")


def blocks(text: str) -> Iterator[tuple[str, int, list[str]]]:
    """Language, first line and lines of every fenced block."""
    language, start, inside = "", 0, False
    lines = text.splitlines()
    for at, line in enumerate(lines):
        fence = FENCE.match(line)
        if fence and not inside:
            language, start, inside = fence[1], at + 1, True
        elif fence:
            yield language, start, lines[start:at]
            inside = False
    assert not inside, "a fenced block is never closed"


def examples(text: str) -> list[Example]:
    """All examples of a page in their order."""
    found = []
    for language, start, lines in blocks(text):
        if language == "python":
            for one in doctest.DocTestParser().get_examples("\n".join(lines) + "\n"):
                first = start + one.lineno + one.source.count("\n")
                last = first + one.want.count("\n")
                found.append(Example(one.source, one.want, first, last, False))
        elif language == "console":
            starts = [i for i, line in enumerate(lines) if line.startswith(COMMAND)]
            for i, end in zip(starts, [*starts[1:], len(lines)], strict=True):
                want = "".join(f"{line}\n" for line in lines[i + 1 : end])
                source = lines[i].removeprefix(COMMAND)
                found.append(Example(source, want, start + i + 1, start + end, True))
    return found


def agrees(want: str, printed: str) -> bool:
    """Whether an output is the one expected.

    The last digit of a decimal number may differ by one: it depends on where rounding
    errors let an optimizer stop, and so on the processor. All else has to be equal.
    """
    numbers = [list(DECIMAL.finditer(text)) for text in (want, printed)]
    if len(numbers[0]) == len(numbers[1]):
        for ours, theirs in zip(*numbers, strict=True):
            unit = 10.0 ** (int(ours[2] or 0) - len(ours[1]))
            if abs(float(ours[0]) - float(theirs[0])) > 1.001 * unit:
                return False
        want, printed = (DECIMAL.sub("0.0", text) for text in (want, printed))
    return doctest.OutputChecker().check_output(want, printed, FLAGS)


def refreshed(text: str) -> str:
    """Return the page with every output replaced by what is printed now."""
    variables: dict[str, Any] = {"__name__": "__main__"}
    outputs = [(one, one.run(variables)) for one in examples(text)]
    lines = text.splitlines()
    for one, output in reversed(outputs):
        shown = [line.rstrip() or "<BLANKLINE>" for line in output.splitlines()]
        lines[one.first : one.last] = shown
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
