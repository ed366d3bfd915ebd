"""What follows a fit: free functions of a result, one file for each idea."""

from __future__ import annotations

from .bootstrap import bootstrap
from .replicates import Bootstrap
from .simulate import simulate

__all__ = ["Bootstrap", "bootstrap", "simulate"]
