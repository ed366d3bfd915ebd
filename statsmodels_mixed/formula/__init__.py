"""Text, or terms combined in Python, to a `MixedFormula`: syntax only, no data."""

from .compose import FormulaTerm, expression, fulldummy, term, zerocorr
from .parse import parse, variables

__all__ = ["FormulaTerm", "expression", "fulldummy", "parse", "term", "variables", "zerocorr"]
