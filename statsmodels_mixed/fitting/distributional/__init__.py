"""Fits whose rows have parameters besides their mean: the likelihood, its optimum, what follows."""

__all__: list[str] = []
