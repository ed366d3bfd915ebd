"""One matrix for each level of a grouping factor, with the labels of levels and effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import OptionError

__all__ = ["LevelMatrices"]


class LevelMatrices(np.ndarray):
    """An array of shape (l, k, k) that knows its levels and its random effects.

    What is taken from it or computed with it is a plain array.

    Parameters
    ----------
    values : ndarray, shape (l, k, k)
    levels : Index, shape (l,)
    terms : tuple of str
        Names of the k random effects.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.condvar()["subj"].of("S308").round(2)
               Intercept   days
    Intercept     140.97 -20.60
    days          -20.60   5.16
    """

    levels: pd.Index
    terms: tuple[str, ...]

    def __new__(
        cls, values: NDArray[np.float64], levels: pd.Index, terms: tuple[str, ...]
    ) -> LevelMatrices:
        """View an array with labels."""
        self = np.asarray(values).view(cls)
        self.levels, self.terms = levels, terms
        return self

    def __getitem__(self, key: Any) -> Any:
        return np.asarray(self)[key]

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else np.asarray(array)

    def __repr__(self) -> str:
        return repr(np.asarray(self))

    def __reduce__(self) -> Any:
        return LevelMatrices, (np.asarray(self), self.levels, self.terms)

    def of(self, level: Any) -> pd.DataFrame:
        """Return the matrix of a level.

        Parameters
        ----------
        level : object
            Its label; of an interaction a tuple.

        Returns
        -------
        DataFrame, shape (k, k)

        Raises
        ------
        OptionError
            If there is no such level.

        See Also
        --------
        LevelMatrices.to_frame

        Examples
        --------
        >>> fit = mixedlm2("yield ~ 1 + (1 | batch)", datasets.load("dyestuff")).fit()
        >>> float(fit.condvar()["batch"].of("A").iloc[0, 0].round(2))
        362.31
        """
        if level not in self.levels:
            raise OptionError(f"there is no level {level!r}.")
        names = list(self.terms)
        return pd.DataFrame(self[self.levels.get_loc(level)], index=names, columns=names)

    def to_frame(self) -> pd.DataFrame:
        """Return all matrices below each other.

        Returns
        -------
        DataFrame, shape (l * k, k)
            By level and random effect.

        See Also
        --------
        LevelMatrices.of

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.condvar()["subj"].to_frame().head(2).round(2)
                        Intercept   days
        subj term
        S308 Intercept     140.97 -20.60
             days          -20.60   5.16
        """
        levels, k = self.levels, len(self.terms)
        keys = levels.to_frame(index=False).iloc[np.repeat(np.arange(len(levels)), k)]
        keys["term"] = list(self.terms) * len(levels)
        index = pd.MultiIndex.from_frame(keys)
        return pd.DataFrame(np.asarray(self).reshape(-1, k), index=index, columns=list(self.terms))
