"""Mixed models in tables of other packages: stargazer and maketables.

Both keep a register of the classes that they can read. `registers` says when results are entered.
Maketables has fits of pyfixest as well, whose own `etable` accepts no other class.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib import import_module
from typing import Any

from ..results.base import unwrap
from ..results.table_lines import STD_ERRORS, deviations, table_lines
from ..results.wrapper import MixedModelResultsWrapper
from ..tables.escapes import latex_escape

__all__ = ["enter_maketables", "enter_stargazer"]


def enter_stargazer() -> None:
    """Enter the results of mixed models in the register of stargazer."""
    extract_model_data = import_module("stargazer.translators.statsmodels").extract_model_data

    def extract(model: Any) -> dict[str, Any]:
        result = unwrap(model)
        levels = [str(len(block.levels)) for block in result.layout.blocks]
        lines: dict[str, Any] = {STD_ERRORS: result.reference.errors}
        # Stargazer leaves out a line of numbers that are all zero.
        lines |= {label: value or "0" for label, value in deviations(result).items()}
        _add_to_footer(lines)
        # Its own residual standard error counts random effects as if they were known.
        return {
            **extract_model_data(model),
            **lines,
            "ngroups": ", ".join(levels),
            "resid_std_err": result._residual_sd,
        }

    import_module("stargazer.translators").register_class(MixedModelResultsWrapper, extract)


def _add_to_footer(lines: Iterable[str]) -> None:
    """Name lines in stargazer's list of those below the coefficients.

    It shows a line if one of the models in a table has it and the table's switch for it is on.
    """
    stargazer: Any = import_module("stargazer.stargazer")
    table, label = stargazer.Stargazer, stargazer.Label
    table.show_random_sd = table.show_std_errors = True
    known = table._auto_stats
    for line in lines:
        names = [stat for _, stat, _ in known]
        if line not in names:
            kind, after = ("std_errors", 1) if line == STD_ERRORS else ("random_sd", 0)
            shown = label({"LaTeX": latex_escape(line), "html": escape(line)})
            known.insert(names.index("resid_std_err") + after, (kind, line, shown))


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
            own = [key for key in table_lines(unwrap(model)) if key != STD_ERRORS]
            return ["N", *own, "ll", "aic", "se_type"]

    # Before the one for statsmodels, which takes everything that has coefficients.
    extractors._EXTRACTOR_REGISTRY.insert(0, MixedModelExtractor())
