"""Marginal means: averages of predictions over a reference grid, their contrasts and tests."""

__all__: list[str] = []
