"""Formulas without bars to coded matrices: factors, functions, contrasts, two engines."""

__all__: list[str] = []
