"""Linear models whose residuals are correlated or of unequal variance."""

__all__: list[str] = []
