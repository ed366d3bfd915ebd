"""Fits whose rows have parameters besides their mean, as data frames."""

__all__: list[str] = []
