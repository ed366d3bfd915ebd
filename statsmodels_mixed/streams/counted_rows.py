"""Sentences about rows that count those of all batches.

What is wrong with some rows is found batch by batch, and said of a batch: "'x' is infinite in 2
rows (first: 10, 15)". A sentence for the user is about all rows, so after the first such batch the
others are looked at for the same, and the numbers are added up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..errors import DataError

__all__ = ["CountedRows", "RefusedRows", "check_all"]

# As `name_rows` says it, of rows that are numbered.
ROWS = re.compile(r"\b(\d+) rows? \(first: (\d+(?:, \d+)*)\)")
# The most rows that are named.
NAMED = 3

Batch = TypeVar("Batch")


class CountedRows:
    """A sentence about rows of one batch, to which those of others are added.

    Parameters
    ----------
    text : str
        The sentence.
    """

    def __init__(self, text: str) -> None:
        self._around = _around(text)
        self._counts = [0] * (len(self._around) - 1)
        self._first: list[list[str]] = [[] for _ in self._counts]
        self._more = False
        self.add(text)

    def add(self, text: str) -> None:
        """Count the rows of the sentence about a later batch, if it says the same of them."""
        if _around(text) != self._around:
            self._more = True
            return
        for at, found in enumerate(ROWS.finditer(text)):
            self._counts[at] += int(found[1])
            self._first[at] += found[2].split(", ")

    @property
    def is_about_rows(self) -> bool:
        """Whether it counts rows."""
        return bool(self._counts)

    def __str__(self) -> str:
        """Return the sentence about all of them; others may be where more than one thing is."""
        parts = [self._around[0]]
        for count, first, after in zip(self._counts, self._first, self._around[1:], strict=True):
            least = "at least " if self._more else ""
            noun = "row" if count == 1 else "rows"
            parts += [f"{least}{count} {noun} (first: {', '.join(first[:NAMED])})", after]
        return "".join(parts)


def _around(text: str) -> list[str]:
    """Return what a sentence says before, between and after rows."""
    return ROWS.sub("\0", text).split("\0")


class RefusedRows:
    """The first refusal of rows, and how many rows of other batches are refused for the same."""

    def __init__(self) -> None:
        self._kind: type[DataError] | None = None
        self._counted: CountedRows | None = None

    def note(self, error: DataError) -> None:
        """Take note of a refusal.

        Raises
        ------
        DataError
            The same, if it is the first and of no rows that can be counted.
        """
        if self._counted is not None:
            self._counted.add(str(error))
            return
        counted = CountedRows(str(error))
        if not counted.is_about_rows:
            raise error
        self._kind, self._counted = type(error), counted

    def refuse(self) -> None:
        """Refuse all of them, if there are any.

        Raises
        ------
        DataError
            Of the kind of the first one.
        """
        if self._kind is not None:
            raise self._kind(str(self._counted))


def check_all(batches: Iterable[Batch], process: Callable[[Batch], None]) -> None:
    """Process batches; where rows of one are refused, look for the same in the others.

    Parameters
    ----------
    batches : iterable
    process : callable

    Raises
    ------
    DataError
        If rows are refused.
    """
    refused = RefusedRows()
    for batch in batches:
        try:
            process(batch)
        except DataError as error:
            refused.note(error)
    refused.refuse()
