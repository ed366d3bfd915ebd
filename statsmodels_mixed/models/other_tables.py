"""Mixed models in tables of other packages: stargazer and maketables.

Both keep a register of the classes that they can read. `registers` says when results are entered.
Maketables has fits of pyfixest as well, whose own `etable` accepts no other class.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..results.base import MixedModelResultsWrapper, unwrap
from ..results.table_lines import table_lines

__all__ = ["enter_maketables", "enter_stargazer"]


def enter_stargazer() -> None:
    """Enter the results of mixed models in the register of stargazer."""
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


def enter_maketables() -> None:
    """Enter the results of mixed models in the register of maketables."""
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
