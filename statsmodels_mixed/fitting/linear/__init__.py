"""Fits of linear mixed models: penalized least squares, the minimum, fits again."""

__all__: list[str] = []
