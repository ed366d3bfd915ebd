"""Families and links: their likelihoods, responses, draws, quantiles."""

__all__: list[str] = []
