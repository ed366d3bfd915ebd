"""The formula of a model: shown as it was written, read by other packages without its bars.

statsmodels' machinery and marginaleffects look for names in the text of ``model.formula`` and
parse it, with parsers for which a bar means something else or nothing.
"""

from __future__ import annotations

from typing import Self

__all__ = ["WrittenFormula"]


class WrittenFormula(str):
    """Text that shows and compares as the formula that was written.

    As a plain string, in which other packages search, it is the formula of the fixed effects.

    Parameters
    ----------
    written : str
        As the user wrote it.
    fixed : str
        Response and fixed effects, without bars.
    """

    __slots__ = ("written",)

    written: str

    def __new__(cls, written: str, fixed: str) -> Self:
        """Hold both texts."""
        self = super().__new__(cls, fixed)
        self.written = written
        return self

    def __str__(self) -> str:
        return self.written

    def __repr__(self) -> str:
        return repr(self.written)

    def __format__(self, spec: str) -> str:
        return format(self.written, spec)

    def __eq__(self, other: object) -> bool:
        return self.written == (other.written if isinstance(other, WrittenFormula) else other)

    def __hash__(self) -> int:
        return hash(self.written)

    def __contains__(self, part: str) -> bool:  # type: ignore[override]
        return part in self.written

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (self.written, str.__str__(self))
