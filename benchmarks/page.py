"""Keep what was measured in a page: text between two marks, written anew by scripts."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["write_between"]


def write_between(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end of name -->`` of a page.

    Parameters
    ----------
    page : Path
    name : str
    text : str

    Raises
    ------
    ValueError
        If the page does not have these marks once.
    """
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.DOTALL)
    old = page.read_text(encoding="utf-8")
    new, count = pattern.subn(lambda _: f"{first}\n\n{text.strip()}\n\n{last}", old)
    if count != 1:
        raise ValueError(f"{page} has the marks of {name!r} {count} times.")
    page.write_text(new, encoding="utf-8")
