"""Models whose rows have parameters besides their mean: zeros, dispersion, shapes, categories."""

__all__: list[str] = []
