"""Meta-analysis: mixed models of estimates whose sampling variances are known."""

from __future__ import annotations

from .meta import meta
from .results import MetaAnalysis

__all__ = ["MetaAnalysis", "meta"]
