"""Covariances of the coefficients and the degrees of freedom of their tests."""

__all__: list[str] = []
