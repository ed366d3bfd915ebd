"""What other packages are told of this one when it is imported.

statsmodels' formula interface offers our constructors beside its own. stargazer and maketables (and
so pyfixest's etable) keep a register of the classes that they can read, and neither has entry
points: mixed models are entered when these packages are imported, before this one or after it.
Neither they nor our models are imported for it.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from typing import Any

import statsmodels.formula.api as smf

from .later import PACKAGE, load

__all__ = ["register"]

CONSTRUCTORS = ("mixedlm2", "mixedglm2", "mixedordinal2")

# What enters our results into the register of a package, by its module.
ENTRIES = {
    "stargazer.stargazer": "models.other_tables:enter_stargazer",
    "maketables": "models.other_tables:enter_maketables",
}


def register() -> None:
    """Add the constructors to statsmodels and the results to packages that make tables."""
    _add_constructors()
    waiting = dict(ENTRIES)
    for name in [name for name in waiting if name in sys.modules]:
        load(waiting.pop(name))()
    if waiting:
        sys.meta_path.insert(0, _Waiting(waiting))


def _add_constructors() -> None:
    """Let statsmodels' formula interface find the constructors, which it has no hook for."""
    own = vars(smf).get("__getattr__")

    def look_up(name: str) -> Any:
        if name in CONSTRUCTORS:
            found = getattr(sys.modules[PACKAGE], name)
            setattr(smf, name, found)
            return found
        if own is not None:
            return own(name)
        raise AttributeError(f"module {smf.__name__!r} has no attribute {name!r}.", name=name)

    def names() -> list[str]:
        return sorted({*vars(smf), *CONSTRUCTORS})

    vars(smf).update(__getattr__=look_up, __dir__=names)
    smf.__all__.extend(name for name in CONSTRUCTORS if name not in smf.__all__)


class _Waiting(importlib.abc.MetaPathFinder):
    """Calls a function once a module has been imported.

    Parameters
    ----------
    waiting : dict of str to str
        Places of functions by name of the module.
    """

    def __init__(self, waiting: dict[str, str]) -> None:
        self.waiting = waiting

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Find the module as Python does, and note what to do after its code has run."""
        enter = self.waiting.pop(name, None)
        if enter is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        execute = loader.exec_module

        def executed(module: Any) -> None:
            execute(module)
            load(enter)()

        loader.exec_module = executed
        return spec
