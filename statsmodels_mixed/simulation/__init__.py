"""Responses drawn from a fit, for its own rows or for new data."""

__all__: list[str] = []
