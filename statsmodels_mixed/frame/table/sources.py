"""Where a model has its offset, exposure and weights from, to find them in new data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._frozen import quickly_made

__all__ = ["Source", "Sources"]

_NONE = {
    "offset": "0 for none",
    "exposure": "1 for none",
    "weights": "numbers of trials if the family is binomial, else 1 for none",
}


@quickly_made
@dataclass(frozen=True)
class Source:
    """Where one of them comes from.

    Parameters
    ----------
    option : {"offset", "exposure", "weights"}
    needed : bool
        Whether the model has one, so that new rows need one too.
    column : str or None
        The column that was given for it, or an expression; None if it was an array.
    """

    option: str
    needed: bool
    column: str | None

    @classmethod
    def of(cls, option: str, given: Any, needed: bool | None = None) -> Source:
        """Return the source of what the user gave for an option, by default needed if given."""
        needed = given is not None if needed is None else needed
        return cls(option, needed, given if isinstance(given, str) else None)

    @property
    def request(self) -> str:
        """The sentence that asks for the values of new rows."""
        article = {"offset": "an ", "exposure": "an "}.get(self.option, "")
        return (
            f"the model has {article}{self.option}: give {self.option}= for the new rows, "
            f"{_NONE[self.option]}."
        )


@quickly_made
@dataclass(frozen=True)
class Sources:
    """The sources of the offset, the exposure and the weights of a model.

    Parameters
    ----------
    offset, exposure, weights : Source
    """

    offset: Source
    exposure: Source
    weights: Source

    @classmethod
    def of(cls, offset: Any, exposure: Any, weights: Any, weighted: bool) -> Sources:
        """Return the sources of what the user gave; `weighted` says whether there are weights."""
        if offset is exposure is weights is None and not weighted:
            return _NO_SOURCES
        return cls(
            offset=Source.of("offset", offset),
            exposure=Source.of("exposure", exposure),
            # A response of two columns makes weights, and weights of ones are none.
            weights=Source.of("weights", weights, weighted),
        )


_NO_SOURCES = Sources(*[Source(option, False, None) for option in _NONE])
