"""Results of a fit, as statsmodels has them: numbers, tests, tables."""

__all__: list[str] = []
