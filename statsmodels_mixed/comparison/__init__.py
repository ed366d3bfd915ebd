"""Comparison of fits and of terms: likelihood-ratio tests and analysis of variance."""

__all__: list[str] = []
