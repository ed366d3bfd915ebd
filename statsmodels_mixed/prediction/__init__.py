"""Predictions for the rows of a fit and for new data, with standard errors and intervals."""

__all__: list[str] = []
