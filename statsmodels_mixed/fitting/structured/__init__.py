"""Fits in the parameters of covariance structures: the objective, its minimum, refits."""

__all__: list[str] = []
