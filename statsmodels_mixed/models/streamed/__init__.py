"""Models whose data are read by batches."""

__all__: list[str] = []
