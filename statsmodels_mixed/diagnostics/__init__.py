"""What a fit says about its rows and groups: residuals, leverage, influence, explained variance."""

__all__: list[str] = []
