"""How plots are reached from what they show: `fit.plot.caterpillar()`, `profile.plot()`."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ..options import answering

__all__ = ["Drawn", "Plots"]

P = ParamSpec("P")
R = TypeVar("R")


class Plots:
    """The plots of one object, as methods.

    Parameters
    ----------
    shown : object
        What they show.
    """

    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def __repr__(self) -> str:
        names = [name for name in dir(type(self)) if not name.startswith("_")]
        call = "plot(), " if callable(self) else ""
        return f"<Plots: {call}{', '.join(f'plot.{name}()' for name in names)}>"


class Drawn(Generic[P, R]):
    """A function of an object as a method of its `Plots`, with its signature and help."""

    def __init__(self, function: Callable[Concatenate[Any, P], R]) -> None:
        self.function = answering({})(function)
        self.__doc__ = function.__doc__

    def __get__(self, plots: Plots | None, owner: type) -> Callable[P, R]:
        of_plots: Any = self.function
        return of_plots if plots is None else MethodType(of_plots, plots._shown)
