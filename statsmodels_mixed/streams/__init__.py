"""Data larger than memory: a table that is read by batches becomes few rows with its products."""

__all__: list[str] = []
