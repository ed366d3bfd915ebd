"""The models statsmodels users construct."""

__all__: list[str] = []
