"""Names that other packages have for a thing: the error for them says what to write."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["no_attribute"]


def no_attribute(owner: object, name: str, answers: Mapping[str, str]) -> AttributeError:
    """Return the error for an attribute that is not there."""
    kind = type(owner).__name__
    if name not in answers:
        return AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=owner)
    return AttributeError(f"{kind} has no {name}: {answers[name]}.", name=name, obj=owner)
