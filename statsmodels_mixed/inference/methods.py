"""What `help` shows of the methods of results: signature and text of what they hand over to."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

__all__ = ["document"]

# The entry of the result among the parameters, with all that is indented below it.
_RESULT = re.compile(r"^( *)result : .*\n(?:\1 +.*\n)*", re.MULTILINE)
_EMPTY = re.compile(r"^ *Parameters\n *-+\n(?=\n)", re.MULTILINE)


def document(cls: type, function: Callable[..., Any]) -> None:
    """Give the method of a function's name that function's signature and docstring.

    Parameters
    ----------
    cls : type
        A class with a method of this name, whose `self` is the function's `result`.
    function : callable
    """
    method = vars(cls)[function.__name__]
    signature = inspect.signature(function)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rest = list(signature.parameters.values())[1:]
    method.__signature__ = signature.replace(parameters=[own, *rest])
    method.__doc__ = _EMPTY.sub("", _RESULT.sub("", function.__doc__ or ""))
