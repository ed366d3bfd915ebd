"""The parameters of random effects and residuals, one in each row of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..results.base import MixedModelResults
from ..results.group_covariance import GroupCovariance

__all__ = ["random_parameters"]

_SCALES = {"sigma": "sd__Observation", "dispersion": "dispersion"}
# Kinds of ordinary terms, whose parameters are called as they are without a name of the kind.
_ORDINARY = ("us", "diag")


class _Row(NamedTuple):
    """A parameter: `kind` and `name` are what profiles and bootstraps call it."""

    group: str
    term: str
    kind: str
    name: str
    estimate: float
    std_error: float = np.nan


def random_parameters(result: MixedModelResults, limits: pd.DataFrame | None) -> pd.DataFrame:
    """Return group, term, estimate, standard error and limits of all these parameters.

    Parameters
    ----------
    result : MixedModelResults
    limits : DataFrame, optional
        Lower and upper limits by kind and name.
    """
    estimates: Any = result.estimates
    if result.takes_correlated:
        rows = list(_of_residual_fit(estimates))
    elif estimates.structured is not None and _has_structures(limits, estimates.structured.names):
        rows = list(_of_structures(result))
    else:
        rows = [row for group in result.varcorr.groups for row in _of_group(group)]
    scale = estimates.scale_name
    if scale in _SCALES:
        value = result.sigma if scale == "sigma" else estimates.dispersion
        rows.append(_Row("Residual", _SCALES[scale], scale, "", float(value)))
    table = pd.DataFrame(rows, columns=_Row._fields)
    keys = pd.MultiIndex.from_frame(table[["kind", "name"]])
    for side in ("lower", "upper"):
        table[side] = np.nan if limits is None else limits[side].reindex(keys).to_numpy()
    return table.assign(effect="ran_pars")


def _has_structures(limits: pd.DataFrame | None, names: Sequence[str]) -> bool:
    """Return whether limits are of structures; a bootstrap has deviations and correlations."""
    return limits is None or ("theta", names[0]) in limits.index


def _of_group(group: GroupCovariance) -> Iterator[_Row]:
    """Return standard deviations and correlations of a grouping factor."""
    names, rho = group.columns, group.correlation
    for name, sd in zip(names, group.std_dev, strict=True):
        yield _Row(group.name, f"sd__{name}", "sd", f"{group.name}.{name}", float(sd))
    for s in range(len(names)):
        for r in range(s + 1, len(names)):
            if group.estimated[r, s]:
                key = f"{group.name}.{names[r]}.{names[s]}"
                term = f"cor__{names[s]}.{names[r]}"
                yield _Row(group.name, term, "corr", key, float(rho[r, s]))


def _of_structures(result: MixedModelResults) -> Iterator[_Row]:
    """Return the parameters of covariance structures."""
    fit: Any = result.estimates.structured
    values = iter(fit.values)
    for part in fit.parts:
        block = result.layout.blocks[part.block]
        labels = block.columns[part.start : part.stop]
        terms = _terms(part.structure, part.names, labels)
        if block.members is not None:
            terms = ["sd__Intercept"]
        for name, term in zip(part.names, terms, strict=True):
            key = f"{part.group}.{part.structure}.{name}"
            yield _Row(part.group, term, "theta", key, float(next(values)))


def _of_residual_fit(estimates: Any) -> Iterator[_Row]:
    """Return the parameters of random effects, of the residual covariance and the dispersion."""
    keys = iter(estimates.natural.names)
    named = [(part, next(keys), i) for part in estimates.structures for i in range(len(part.names))]
    for part, key, i in sorted(named, key=lambda one: one[0].is_residual):
        terms = list(part.names)
        if not part.is_residual:
            terms = _terms(part.kind, part.names, part.labels)
        group = "Residual" if part.is_residual else part.name
        error = float(part.errors[i]) if part.is_residual else np.nan
        yield _Row(group, terms[i], "theta", key, float(part.values[i]), error)
    spread = zip(estimates.dispersion_names, estimates.dispersion_values, strict=True)
    for (name, value), error in zip(spread, estimates.dispersion_errors, strict=True):
        yield _Row("Residual", name, "theta", next(keys), float(value), float(error))


def _terms(kind: str, names: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return what parameters of a kind are called, given the names of its effects."""
    if kind not in _ORDINARY:
        return [f"{kind}.{name}" for name in names]
    known = {f"sd[{one}]": f"sd__{one}" for one in labels}
    known |= {f"rho[{b},{a}]": f"cor__{a}.{b}" for a in labels for b in labels}
    return [known.get(name, name) for name in names]
