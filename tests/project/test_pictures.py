"""The pictures of the documentation are those that the code above them draws."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import DPI, drawn, size_of

pytest.importorskip("matplotlib")

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_every_picture_is_drawn_by_the_code_above_it():
    names = set()
    for path, figure in drawn(DOCS / "plots.md"):
        names.add(path.name)
        assert figure is not None, f"nothing is drawn above {path.name}"
        expected = tuple(int(side * DPI) for side in figure.get_size_inches())
        assert size_of(path) == expected, f"draw {path.name} anew: make pictures"
    assert names == {path.name for path in (DOCS / "pictures").iterdir()}
    assert len(names) > 10
