"""Profile likelihoods of fits whose rows have parameters besides their mean."""

__all__: list[str] = []
