"""Functions of a fit that ask the fit first: some kinds of results have their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from ..options import OptionCheck

__all__ = ["own_first"]

Function = TypeVar("Function", bound=Callable[..., Any])


def own_first(function: Function) -> Function:
    """Let a result that stands alone answer by its method of the same name, if it has one.

    Methods of other results are this function itself, and options of another name, or of another
    kind than annotated, are refused.

    Parameters
    ----------
    function : callable
        Of a result, and of options.
    """
    check = OptionCheck(function)

    @wraps(function)
    def ask(result: Any, *args: Any, **kwargs: Any) -> Any:
        kind = type(result)
        if getattr(kind, "stands_alone", False):
            own = getattr(kind, function.__name__, None)
            if own is not None and own is not ask:
                return own(result, *args, **kwargs)
        check((result, *args), kwargs)
        return function(result, *args, **kwargs)

    ask.__checks_options__ = True  # type: ignore[attr-defined]
    return cast(Function, ask)
