"""The columns of X: an orthonormal basis, which depend on others, what they determine."""

__all__: list[str] = []
