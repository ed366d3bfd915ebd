"""What a check reports, and how a call is watched."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from statsmodels_mixed import MixedModelError, MixedModelWarning

__all__ = ["Outcome", "TooLong", "Watched", "time_limit", "watch"]

LONGEST_CALL = 20.0  # seconds


@dataclass
class Outcome:
    """What happened to one model.

    Parameters
    ----------
    seed : int
    counts : list of str
        Facts to be counted, such as "fitted", "singular", "DataError".
    failures : list of (kind, detail)
    """

    seed: int
    counts: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, kind: str, detail: Any = "") -> None:
        self.failures.append((kind, str(detail)))

    def require(self, holds: bool, kind: str, detail: Any = "") -> None:
        if not holds:
            self.fail(kind, detail)


class TooLong(BaseException):
    """A call took longer than it may; not an Exception, so that no library swallows it."""


def _interrupt(*_: Any) -> None:
    raise TooLong


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooLong after some seconds; the limit of calls around this one waits.

    They are seconds of this process: on a busy machine others wait longer for the same.
    """
    before = signal.signal(signal.SIGPROF, _interrupt)
    left, _ = signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, before)
        signal.setitimer(signal.ITIMER_PROF, left)


@dataclass
class Watched:
    """The value of a call, or None with the error it refused with, and what it warned of."""

    value: Any = None
    refusal: MixedModelError | None = None
    warned: tuple[str, ...] = ()


def watch(outcome: Outcome, what: str, call: Callable[[], Any]) -> Watched:
    """Call, and report any exception or warning that is not the package's own.

    Parameters
    ----------
    outcome : Outcome
        Where failures are reported.
    what : str
        Name of the call, the first part of the kind of a failure.
    call : callable

    Returns
    -------
    Watched
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watched = Watched()
        try:
            with time_limit(LONGEST_CALL):
                watched.value = call()
        except MixedModelError as error:
            watched.refusal = error
        except TooLong:
            outcome.fail(f"{what}: longer than {LONGEST_CALL:.0f} s")
        except Exception as error:
            outcome.fail(f"{what}: {type(error).__name__}", error)
    for one in caught:
        if not issubclass(one.category, MixedModelWarning):
            outcome.fail(f"{what}: {one.category.__name__}", f"{one.message} ({one.filename})")
    watched.warned = tuple(
        str(one.message) for one in caught if issubclass(one.category, MixedModelWarning)
    )
    return watched
