"""Names that other packages have for a thing: the error for them says what to write."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["no_attribute", "say_why_not"]


def no_attribute(owner: object, name: str, answers: Mapping[str, str]) -> AttributeError:
    """Return the error for an attribute that is not there."""
    kind = type(owner).__name__
    if name not in answers:
        return AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=owner)
    return AttributeError(f"{kind} has no {name}: {answers[name]}.", name=name, obj=owner)


def say_why_not(owner: object, name: str) -> None:
    """Let a property that raised NotOfferedError raise it again, with its own sentence.

    Python asks ``__getattr__`` after an AttributeError of a property, and forgets what that said.
    """
    there = getattr(type(owner), name, None)
    if isinstance(there, property) and there.fget is not None:
        there.fget(owner)
