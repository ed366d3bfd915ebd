"""Generalized fits to rows that are read in batches."""

__all__: list[str] = []
