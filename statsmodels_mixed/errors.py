"""Every exception and warning class of the package.

Exceptions are for what the caller can mend: the formula, the data, an option.
What happens during a fit (a singular covariance, an iteration limit, rows
dropped) is recorded in the result instead and warned about at most once.
"""

from __future__ import annotations

import sys
import warnings

__all__ = [
    "ConvergenceWarning",
    "CoreError",
    "DataError",
    "FormulaError",
    "IdentificationWarning",
    "MixedModelError",
    "MixedModelWarning",
    "NotOfferedError",
    "OptionError",
    "RankWarning",
    "SeparationWarning",
    "SingularFitWarning",
    "UnknownColumnError",
    "UnknownOptionError",
    "told",
    "warn_caller",
]

# Users wrote neither these.
_NOT_OF_USERS = (__name__.partition(".")[0], "statsmodels", "patsy")


class MixedModelError(ValueError):
    """Base class: something the caller asked for cannot be done as asked."""


class FormulaError(MixedModelError):
    """A formula that cannot be read, or that names something impossible.

    Parameters
    ----------
    message : str
        One sentence that names the term and says what to do.
    formula : str, optional
        The whole formula, shown under the message.
    start, end : int, optional
        Half-open range of the offending characters, marked with carets.
    """

    def __init__(
        self,
        message: str,
        formula: str | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> None:
        self.message = message
        self.formula = formula
        self.start = start
        self.end = end
        text = message
        if formula is not None:
            text += f"\n    {formula}"
            if start is not None:
                width = max(1, (end if end is not None else start + 1) - start)
                text += f"\n    {' ' * start}{'^' * width}"
        super().__init__(text)


class DataError(MixedModelError):
    """Data that the model cannot be fitted to; the message names the column."""


class UnknownColumnError(DataError):
    """A column that the data do not have."""


class OptionError(MixedModelError):
    """An option that does not exist or does not apply here."""


class UnknownOptionError(OptionError, TypeError):
    """An option that a function does not have; also the TypeError that Python would raise."""


class NotOfferedError(OptionError, AttributeError):
    """What other fits do and this kind does not; also the AttributeError of Python."""


class CoreError(RuntimeError):
    """The numerical core refused: out of memory, or a broken installation."""


class MixedModelWarning(UserWarning):
    """Base class of the package's warnings."""


class SingularFitWarning(MixedModelWarning):
    """The estimated covariance of some random effects is singular."""


class ConvergenceWarning(MixedModelWarning):
    """The optimizer stopped before the gradient vanished."""


class IdentificationWarning(MixedModelWarning):
    """The data do not determine some covariance parameters, for any response."""


class RankWarning(MixedModelWarning):
    """Columns of the fixed-effects matrix were dropped as linearly dependent."""


class SeparationWarning(MixedModelWarning):
    """Coefficients have no finite estimate: the response separates along their columns."""


def told(error: Exception) -> str:
    """Return the first line of what another package says, as the end of a sentence of ours.

    Parameters
    ----------
    error : Exception
    """
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".") + "."


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn, as of the line that called this package.

    Parameters
    ----------
    message : str
    category : type
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_OF_USERS:
        if frame.f_back is None:
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level + 1)
