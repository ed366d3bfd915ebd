"""Refits to simulated or resampled responses: the bootstrap and the power of tests."""

__all__: list[str] = []
