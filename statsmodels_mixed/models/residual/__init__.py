"""The linear model whose residuals are correlated, and its results."""

__all__: list[str] = []
