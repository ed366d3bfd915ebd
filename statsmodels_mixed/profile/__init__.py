"""Profile likelihood: paths of constrained minima, and the intervals they give."""

__all__: list[str] = []
