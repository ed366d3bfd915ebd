"""Mixed models in tables of other packages: stargazer, maketables and so pyfixest's etable.

Both keep a register of the classes that they can read, and neither has entry points. They are
entered when they are imported, before this package or after it; it does not import them itself.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..results.base import MixedModelResultsWrapper, unwrap
from ..results.table_lines import table_lines

__all__ = ["register_tables"]


def register_tables() -> None:
    """Enter the results of mixed models when other packages are imported, or now."""
    waiting: dict[str, Callable[[], None]] = {}
    for name, enter in (("stargazer.stargazer", _stargazer), ("maketables", _maketables)):
        if name in sys.modules:
            enter()
        else:
            waiting[name] = enter
    if waiting:
        sys.meta_path.insert(0, _Waiting(waiting))


class _Waiting(importlib.abc.MetaPathFinder):
    """Calls a function once a module has been imported.

    Parameters
    ----------
    waiting : dict of str to callable
        By name of the module.
    """

    def __init__(self, waiting: dict[str, Callable[[], None]]) -> None:
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
            enter()

        loader.exec_module = executed
        return spec


def _stargazer() -> None:
    extract_model_data = import_module("stargazer.translators.statsmodels").extract_model_data

    def extract(model: Any) -> dict[str, Any]:
        result = unwrap(model)
        levels = [str(len(block.levels)) for block in result.layout.blocks]
        # Its own residual standard error counts random effects as if they were known.
        return {
            **extract_model_data(model),
            "ngroups": ", ".join(levels),
            "resid_std_err": result._residual_sd,
        }

    import_module("stargazer.translators").register_class(MixedModelResultsWrapper, extract)


def _maketables() -> None:
    extractors: Any = import_module("maketables.extractors")

    class MixedModelExtractor(extractors.StatsmodelsExtractor):  # type: ignore[misc]
        """Reads results of mixed models."""

        def can_handle(self, model: Any) -> bool:
            """Return whether these are such results."""
            return isinstance(model, MixedModelResultsWrapper)

        def stat(self, model: Any, key: str) -> Any:
            """Return a statistic by its key, which for those of mixed models is its label."""
            if key == "se_type":
                return unwrap(model).reference.errors
            found = table_lines(unwrap(model), decimals=3).get(key)
            return super().stat(model, key) if found is None else found

        def vcov_info(self, model: Any) -> dict[str, Any]:
            """Return the kind of standard errors."""
            return {"vcov_type": unwrap(model).reference.errors, "clustervar": None}

        def default_stat_keys(self, model: Any) -> list[str]:
            """Return what is shown unless the user chooses."""
            own = [key for key in table_lines(unwrap(model)) if key != "Std. Errors"]
            return ["N", *own, "ll", "aic", "se_type"]

    # Before the one for statsmodels, which takes everything that has coefficients.
    extractors._EXTRACTOR_REGISTRY.insert(0, MixedModelExtractor())
