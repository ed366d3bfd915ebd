"""Shipped data sets as Arrow files; read them with ``statsmodels_mixed.datasets``."""
