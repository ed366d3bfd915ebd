"""From a design to estimates: cross-products, penalized least squares, PIRLS, the minimum."""

__all__: list[str] = []
