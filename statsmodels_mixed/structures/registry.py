"""The structures that formulas know, by name."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Any, TypeVar

from ..errors import OptionError
from .structure import Structure

__all__ = ["kind_of", "known", "make", "register"]

_KINDS: dict[str, type[Structure]] = {}

# What other programs call them.
_ELSEWHERE = {
    "un": "us", "unstr": "us", "unstructured": "us", "symm": "us", "corsymm": "us",
    "csh": "hcs", "compsymm": "cs", "corcompsymm": "cs", "homcs": "cs", "exchangeable": "cs",
    "arh1": "har1", "ar1h": "har1", "hetar1": "har1", "ar": "ar1", "corar1": "ar1",
    "toeph": "htoep", "homtoep": "toep", "ante": "had", "adh": "had", "antedependence": "had",
    "car1": "ou", "corcar1": "ou", "sp_exp": "exp", "corexp": "exp", "exponential": "exp",
    "sp_gau": "gau", "corgaus": "gau", "gaussian": "gau", "corspher": "spher", "spherical": "spher",
    "corratio": "ratio", "matern": "mat", "corarma": "arma", "vc": "diag", "ident": "homdiag",
}  # fmt: skip

Kind = TypeVar("Kind", bound=type[Structure])


def register(kind: Kind) -> Kind:
    """Make a structure known to formulas under its name; can be used as a decorator.

    Parameters
    ----------
    kind : type
        A subclass of `Structure`. A structure already registered under its name is replaced.

    Returns
    -------
    type
        The same class.

    Raises
    ------
    OptionError
        If it is no structure or its name is not one word.

    See Also
    --------
    Structure : What the class has to have.

    Examples
    --------
    >>> import numpy as np
    >>> from statsmodels_mixed.structures import Parameters, Structure, register
    >>> @register
    ... class Twins(Structure):
    ...     name = "twins"
    ...     def parameters(self, k):
    ...         return Parameters(["sd"], [1.0], [(0.0, np.inf)], scales=[0])
    ...     def sigma(self, phi):
    ...         return phi[0] ** 2 * (np.eye(self.k) + 1.0) / 2.0
    ...     def derivatives(self, phi):
    ...         return phi[0] * (np.eye(self.k) + 1.0)[None]
    ...     def second_derivatives(self, phi):
    ...         return (np.eye(self.k) + 1.0)[None, None]
    >>> Twins().bind(["a", "b"]).sigma([2.0])
    array([[4., 2.],
           [2., 4.]])
    """
    if not (isinstance(kind, type) and issubclass(kind, Structure)):
        raise OptionError(f"register takes a subclass of Structure, not {kind!r}.")
    if not (isinstance(kind.name, str) and kind.name.isidentifier()):
        raise OptionError(
            f"{kind.__name__}.name is the word for it in formulas, such as 'ar1', not "
            f"{kind.name!r}."
        )
    _KINDS[kind.name] = kind
    return kind


def known() -> tuple[str, ...]:
    """Return the names of all structures."""
    return tuple(_KINDS)


def kind_of(name: str) -> type[Structure]:
    """Return the class of a name.

    Raises
    ------
    OptionError
        If there is no such structure.
    """
    if name not in _KINDS:
        meant = _ELSEWHERE.get(name.lower()) or next(iter(get_close_matches(name, _KINDS, 1)), "")
        hint = f"did you mean {meant}()? There are" if meant else "give one of"
        raise OptionError(
            f"there is no covariance structure {name}(): {hint} {', '.join(sorted(_KINDS))}."
        )
    return _KINDS[name]


def make(name: str, **options: Any) -> Structure:
    """Return the structure of a name, with its options.

    Parameters
    ----------
    name : str
        Such as ``"ar1"``.
    **options
        Such as ``hom=False``.

    Raises
    ------
    OptionError
        If there is no such structure, or it has no such option.
    """
    kind = kind_of(name)
    if not options:
        return kind()
    allowed = [
        one.name
        for one in inspect.signature(kind).parameters.values()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    for option in options:
        if option not in allowed:
            have = f"its options are {', '.join(allowed)}" if allowed else "it has no options"
            raise OptionError(f"{name}() has no option {option}=: {have}.")
    return kind(**options)
