"""Everything that can be asked of a fit, each with options drawn at random."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_mixed import inference as after

__all__ = ["CALLS", "MAY_BE_NAN"]

DEGREES = ("satterthwaite", "kenward-roger", "residual")
RESIDUALS = ("response", "pearson", "deviance", "working")

Call = Callable[[Any, np.random.Generator], Any]


def _new_data(result: Any, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of the model's data in another order, some with levels never seen."""
    data = result.model.fuzz_data.sample(frac=1.0, random_state=int(rng.integers(1000)))
    data = data.head(int(rng.integers(1, len(data) + 1))).copy()
    if rng.random() < 0.3:
        data.loc[data.index[0], "g"] = "unseen"
    return data


def _options(rng: np.random.Generator, **choices: tuple[Any, ...]) -> dict[str, Any]:
    """One of the values of every option."""
    return {name: values[rng.integers(len(values))] for name, values in choices.items()}


def _pick(rng: np.random.Generator, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def _contrasts(result: Any, rng: np.random.Generator) -> np.ndarray:
    """A few random linear combinations of the coefficients."""
    columns = len(result.fixefnames)
    return rng.integers(-1, 2, size=(int(rng.integers(1, 3)), columns)).astype(float)


def _new_levels(rng: np.random.Generator) -> dict[str, Any]:
    return _options(rng, re=(False, True), new_levels=("population", "missing", "error"))


def _predict(result: Any, rng: np.random.Generator) -> Any:
    how, rows = _new_levels(rng), None if rng.random() < 0.3 else _new_data(result, rng)
    return _present(result.predict(rows, **how), how)


def _get_prediction(result: Any, rng: np.random.Generator) -> Any:
    how, rows = _new_levels(rng), None if rng.random() < 0.3 else _new_data(result, rng)
    found = result.get_prediction(rows, **how).summary_frame()
    # Limits of means may lie outside of the range of a link, and are NaN then.
    return _present(found if "mean_ci_lower" not in found else found[["mean", "mean_se"]], how)


def _present(found: Any, how: dict[str, Any]) -> Any:
    """The answer without rows of levels never seen, where NaN is asked for."""
    return pd.DataFrame(found).dropna(how="all") if how["new_levels"] == "missing" else found


def _simulate(result: Any, rng: np.random.Generator) -> Any:
    return result.simulate(
        int(rng.integers(1, 4)), seed=1, **_options(rng, re=("new", "conditional"))
    )


def _simulate_rows(result: Any, rng: np.random.Generator) -> Any:
    how = _options(rng, re=("conditional",), new_levels=("draw", "population", "missing", "error"))
    how = how if rng.random() < 0.5 else {"new_levels": None}
    return _present(result.simulate(2, seed=1, exog=_new_data(result, rng), **how), how)


def _refit(result: Any, rng: np.random.Generator) -> Any:
    again = result.refit(np.ravel(result.simulate(1, seed=int(rng.integers(1000)))))
    return pd.Series([again.objective])


def _bootstrap(result: Any, rng: np.random.Generator) -> Any:
    how = [{}, {"re": "conditional"}, {"kind": "cases"}, {"kind": "cases", "by": "g"}]
    return result.bootstrap(4, seed=1, **how[rng.integers(4)]).conf_int()


def _influence(result: Any, rng: np.random.Generator) -> Any:
    found = result.influence("obs" if rng.random() < 0.5 else "g")
    return found.summary_frame(), found.cooks_distance, found.dfbetas


def _profile(result: Any, rng: np.random.Generator) -> Any:
    found = result.profile(("theta", "beta", None)[rng.integers(3)])
    return found.conf_int()


def _pairwise(result: Any, rng: np.random.Generator) -> Any:
    term = "f" if "f" in result.model.formula else "f2"
    return result.t_test_pairwise(term).result_frame


def _pickled(result: Any, rng: np.random.Generator) -> Any:
    file = io.BytesIO()
    pickle.dump(result, file)
    again = pickle.loads(file.getvalue())
    assert np.array_equal(again.params, result.params, equal_nan=True)
    return pd.Series([again.objective])


def _cluster(result: Any, rng: np.random.Generator) -> Any:
    groups = {"groups": ("g", "h")[rng.integers(2)], **_options(rng, kind=("CR0", "CR1", "CR1S"))}
    return result.with_inference(cov_type="cluster", cov_kwds=groups).coeftable()


def _hessian(result: Any, rng: np.random.Generator) -> Any:
    return result.with_inference(cov_type="hessian").coeftable()


def _degrees(result: Any, rng: np.random.Generator) -> Any:
    method = _pick(rng, *DEGREES, "residual")
    with_method = result.with_inference(dof=method)
    return with_method.coeftable(), with_method.conf_int()


def _smaller(result: Any, rng: np.random.Generator) -> Any:
    return result.anova(result.model.fuzz_smaller.fit(**result.model.fuzz_how))


# Calls whose answer may hold NaN by what they document: deletions that leave nothing to
# estimate, replicates that failed, limits that do not exist.
MAY_BE_NAN = {"influence", "bootstrap", "profile", "cooks_distance", "anova of two", "re_pca",
              "varcorr", "leverage", "residuals standardized"}  # fmt: skip

CALLS: dict[str, Call] = {
    "summary": lambda r, _: str(r.summary()),
    "coeftable": lambda r, _: r.coeftable(),
    "conf_int": lambda r, _: r.conf_int(),
    "varcorr": lambda r, _: (str(r.varcorr), r.cov_re),
    "ranef": lambda r, g: r.ranef(uscale=bool(g.integers(2))),
    "condvar": lambda r, _: r.condvar(),
    "criteria": lambda r, _: pd.Series([r.aic, r.bic, r.hqic, r.llf, r.df_resid, r.deviance]),
    "pvalues": lambda r, _: (r.pvalues, r.tvalues, r.bse, r.cov_params()),
    "fittedvalues": lambda r, _: (r.fittedvalues, r.residuals()),
    "fitlog": lambda r, _: str(r.fitlog),
    "predict": _predict,
    "get_prediction": _get_prediction,
    "t_test": lambda r, g: r.t_test(_contrasts(r, g)).summary_frame(),
    "wald_test": lambda r, g: r.wald_test(_contrasts(r, g)).statistic,
    "f_test": lambda r, g: after.f_test(r, _contrasts(r, g), dof=_pick(g, *DEGREES)),
    "wald_test_terms": lambda r, _: r.wald_test_terms().table,
    "t_test_pairwise": _pairwise,
    "degrees of freedom": _degrees,
    "hessian": _hessian,
    "cluster": _cluster,
    "anova": lambda r, g: r.anova(typ=int(g.integers(1, 4))),
    "anova of two": _smaller,
    "drop1": lambda r, _: r.drop1().iloc[1:],
    "ranova": lambda r, _: r.ranova().iloc[1:],
    "residuals": lambda r, g: r.residuals(_pick(g, *RESIDUALS)),
    "residuals standardized": lambda r, g: r.residuals("pearson", standardized=True),
    "leverage": lambda r, _: r.leverage(),
    "cooks_distance": lambda r, _: r.cooks_distance(),
    "influence": _influence,
    "icc": lambda r, _: (r.icc().adjusted, r.icc().unadjusted),
    "r2": lambda r, _: (r.r2().marginal, r.r2().conditional),
    "re_pca": lambda r, g: {k: each.summary_frame() for k, each in r.re_pca().items()},
    "vif": lambda r, _: r.vif(),
    "varpar_cov": lambda r, _: after.varpar_cov(r),
    "simulate": _simulate,
    "simulate rows": _simulate_rows,
    "simulated_residuals": lambda r, _: r.simulated_residuals(20, seed=1).uniformity(),
    "dispersion": lambda r, _: r.simulated_residuals(20, seed=1).dispersion(),
    "refit": _refit,
    "bootstrap": _bootstrap,
    "power": lambda r, _: r.power(4, seed=1).table(),
    "profile": _profile,
    "pickle": _pickled,
}  # fmt: skip
