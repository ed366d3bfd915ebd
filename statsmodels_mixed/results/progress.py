"""Bars that show how far a loop of fits has come, and a record of it in the log.

By default a bar appears in terminals and notebooks, once a loop has taken a second; tqdm, which
draws it, is not even loaded before. What is done is also said to the logger
``"statsmodels_mixed"``, at level INFO.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from importlib import import_module
from threading import Lock
from typing import Any, Self

from ..errors import OptionError

__all__ = ["LOGGER", "Progress"]

LOGGER = logging.getLogger("statsmodels_mixed")

# Seconds before a bar appears by itself.
PATIENCE = 1.0


class Progress:
    """A context in which a loop takes note of what it has done.

    Parameters
    ----------
    what : str
        Name of the loop, for the log.
    total : int or None
        Pieces of work, if they are known.
    wanted : bool or None
        Whether to show a bar; None for one in terminals and notebooks, after a second.
    done : int
        Pieces that were done before.
    unit : str
        What a piece is.

    Raises
    ------
    OptionError
        If a bar is wanted and tqdm is not installed, or `wanted` is something else.
    """

    def __init__(
        self, what: str, total: int | None, wanted: bool | None, *, done: int = 0, unit: str = "fit"
    ) -> None:
        if wanted is not None and not isinstance(wanted, bool):
            raise OptionError(
                "progress= is True, False, or None for a bar in terminals and notebooks, not "
                f"{wanted!r}."
            )
        self._what, self._total, self._unit = what, total, unit
        self._before = self._done = done
        self._automatic = wanted is None and _someone_is_watching()
        self._bar: Any = None
        self._lock = Lock()
        self._start = time.monotonic()
        if wanted:
            try:
                tqdm = _tqdm()
            except ImportError as error:
                raise OptionError("progress=True needs the package tqdm: install it.") from error
            self._bar = tqdm(total=total, initial=done, unit=unit)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        with self._lock:
            self._automatic = False
            if self._bar is not None:
                self._bar.__exit__(*exception)
        LOGGER.info(
            "%s: %d %ss in %.2f s",
            self._what,
            self._done - self._before,
            self._unit,
            time.monotonic() - self._start,
        )

    def update(self, count: int) -> None:
        """Take note of pieces that are done; any thread may."""
        with self._lock:
            if self._bar is not None:
                self._bar.update(count)
            elif self._automatic and time.monotonic() - self._start > PATIENCE:
                self._show(count)
            self._done += count

    def _show(self, count: int) -> None:
        self._automatic = False
        try:
            tqdm = _tqdm()
        except ImportError:  # optional: nobody asked for a bar
            return
        bar = tqdm(total=self._total, initial=self._done, unit=self._unit, leave=False)
        self._bar = bar.__enter__()
        self._bar.update(count)


def _tqdm() -> Any:
    """Return the class of bars that goes with where this runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of notebooks without ipywidgets: the bar is text there
        return import_module("tqdm.auto").tqdm


def _someone_is_watching() -> bool:
    """Return whether this runs in a terminal or a notebook."""
    stream = sys.stderr
    if stream is None:
        return False
    in_notebook = type(stream).__module__.partition(".")[0] == "ipykernel"
    return in_notebook or bool(getattr(stream, "isatty", bool)())
