"""The pictures of the documentation, drawn by the code above them.

A line such as ``![Caterpillar](pictures/caterpillar.png)`` after a block of examples shows
the figure that the block has drawn last.

    python tests/pictures.py docs/plots.md    # draw them anew
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pages import blocks, examples

PICTURE = re.compile(r"^!\[[^\]]+\]\((pictures/[\w-]+\.png)\)$")
DPI = 80


def drawn(page: Path) -> Iterator[tuple[Path, Any]]:
    """File and figure of every picture of a page, after running what is above it."""
    import matplotlib.pyplot as plt

    lines = page.read_text(encoding="utf-8").splitlines()
    found = examples("\n".join(lines) + "\n")
    ends = [start + len(inside) for _, start, inside in blocks("\n".join(lines))]
    variables: dict[str, Any] = {"__name__": "__main__"}
    for end in ends:
        while found and found[0].first <= end:
            found.pop(0).run(variables)
        picture = next((line for line in lines[end + 1 : end + 3] if line), "")
        match = PICTURE.match(picture)
        if match:
            yield page.parent / match[1], plt.gcf() if plt.get_fignums() else None
        plt.close("all")


def save(path: Path, figure: Any) -> None:
    """Write a figure as a small PNG file that is the same each time."""
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


if __name__ == "__main__":
    import os
    import warnings

    os.environ["MPLBACKEND"] = "Agg"
    warnings.simplefilter("ignore")
    for name in sys.argv[1:]:
        for path, figure in drawn(Path(name)):
            save(path, figure)
