"""Fits of generalized linear mixed models: the approximation, starts, the minimum, fits again."""

__all__: list[str] = []
