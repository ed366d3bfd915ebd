"""The linear mixed model and its results."""

__all__: list[str] = []
