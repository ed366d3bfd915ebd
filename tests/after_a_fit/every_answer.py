"""Everything that a linear fit can be asked, as flat numbers by name.

`answers` reads every public attribute of a result and calls every public method and every
function of `statsmodels_mixed.inference`. A new one is read if it is an attribute; if it is to be
called, `CALLS` or `NO_NUMBERS` must say how, or why not.
"""

from __future__ import annotations

import contextlib
import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_mixed import inference
from statsmodels_mixed.errors import MixedModelError

__all__ = ["CALLS", "NO_NUMBERS", "Answers", "answers", "public_names"]

# Name of an answer, of an array or column in it, and its numbers.
Answers = dict[str, np.ndarray]
Call = Callable[[Any, pd.DataFrame], Any]

NO_NUMBERS = {
    "model": "is not of the fit",
    "X": "the data", "y": "the data", "layout": "the data", "lambda_": "printed as theta",
    "estimates": "every number of it has a name of its own",
    "report": "the path to the optimum", "optsum": "the path to the optimum",
    "fitlog": "the path to the optimum",
    "lowerbd": "limits of parameters, infinite",
    "default_model_infos": "words", "covariance_structures": "words", "reference": "words",
    "initialize": "of statsmodels, called when a result is made",
    "load": "of statsmodels, reads a pickle", "save": "of statsmodels, writes a pickle",
    "remove_data": "forgets the data", "kept_design": "the data", "sufficient_design": "the data",
    "wrapper": "of statsmodels", "plot": "tested among the plots",
    "cov_kwds": "options", "undetermined": "what it hides is NaN in the other answers",
}  # fmt: skip
CLASSES = {name for name in inference.__all__ if inspect.isclass(getattr(inference, name))}


def _rows(data: pd.DataFrame) -> pd.DataFrame:
    return data.iloc[::7]


def _contrasts(fit: Any) -> np.ndarray:
    """Each coefficient but the intercept, and a difference."""
    rows = np.eye(len(fit.fixefnames))[1:]
    return np.vstack([rows, rows[0] - rows[1]])


def _of_grouping(fit: Any) -> str:
    return str(next(iter(fit.ranef()), "g"))


def _each(*asked: Callable[[], Any]) -> dict[str, Any]:
    """Return the answers of several calls, some of which may be refused."""
    found: dict[str, Any] = {}
    for place, call in enumerate(asked):
        with contextlib.suppress(MixedModelError):
            found[str(place)] = call()
    return found


def _smaller(fit: Any) -> Any:
    return fit.update(". ~ . - f").fit(reml=False)


def _ml(fit: Any) -> Any:
    return fit if not fit.reml else fit.update(". ~ .").fit(reml=False)


def _inferences(fit: Any, data: pd.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for dof in ("satterthwaite", "kenward-roger", "residual"):
        with contextlib.suppress(MixedModelError):
            found[dof] = fit.with_inference(dof=dof).coeftable()
    for kind in ("CR0", "CR1", "CR1S", "CR2"):
        how = {"groups": "g", "kind": kind}
        dof = "satterthwaite" if kind == "CR2" else None
        with contextlib.suppress(MixedModelError):
            robust = fit.with_inference(cov_type="cluster", cov_kwds=how, dof=dof)
            found[kind] = robust.coeftable()
    return found


def _predictions(fit: Any, data: pd.DataFrame) -> dict[str, Any]:
    new = _rows(data)
    found = {"own": fit.get_prediction().summary_frame()}
    for re in (False, True):
        rows = new.assign(g="unseen") if re else new
        with contextlib.suppress(MixedModelError):
            asked = fit.get_prediction(rows, re=re, new_levels="population")
            found[f"re={re}"] = asked.summary_frame()
            found[f"re={re}, wide"] = asked.conf_int(obs=True, alpha=0.01)
    return found


def _means(found: Any) -> dict[str, Any]:
    return {
        "means": found.to_frame(),
        "contrasts": found.contrasts().to_frame(),
        "contrasts of one": found.contrasts("trt.vs.ctrl").to_frame(),
    }


def _saved(fit: Any, data: pd.DataFrame) -> Any:
    from statsmodels_mixed import saved

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "fit"
        fit.to_dir(path)
        again = saved.open_fit(path)
    return {"params": again.params, "bse": again.bse, "llf": again.llf}


def _principal(fit: Any, data: pd.DataFrame) -> dict[str, Any]:
    return {name: one.summary_frame() for name, one in fit.re_pca().items()}


def _influence(fit: Any, data: pd.DataFrame) -> dict[str, Any]:
    found = fit.influence("g")
    return {"frame": found.summary_frame(), "params": found.params, "dfbetas": found.dfbetas}


def _rows_influence(fit: Any, data: pd.DataFrame) -> Any:
    return fit.get_influence().summary_frame()


def _simulated(fit: Any, data: pd.DataFrame) -> dict[str, Any]:
    found = fit.simulated_residuals(20, seed=1)
    return {"uniformity": found.uniformity().pvalue, "dispersion": found.dispersion().pvalue}


def _bootstrap(fit: Any, data: pd.DataFrame) -> dict[str, Any]:
    found = fit.bootstrap(4, seed=1)
    return {"frame": found.frame, "limits": found.conf_int()}


CALLS: dict[str, Call] = {
    "PCA": _principal,
    "anova": lambda fit, _: [fit.anova(typ=typ) for typ in (1, 2, 3)],
    "augment": lambda fit, data: fit.augment(data),
    "bootstrap": _bootstrap,
    "check": lambda fit, _: str(fit.check()) and None,
    "coef_by_group": lambda fit, _: fit.coef_by_group(),
    "coefficient_tests": lambda fit, _: inference.coefficient_tests(fit, dof="satterthwaite"),
    "coeftable": lambda fit, _: fit.coeftable(0.9),
    "compare_lr_test": lambda fit, _: tuple(_ml(fit).compare_lr_test(_smaller(fit))),
    "condvar": lambda fit, _: {name: np.asarray(v) for name, v in fit.condvar().items()},
    "conf_int": lambda fit, _: [fit.conf_int(), fit.conf_int(method="profile")],
    "cooks_distance": lambda fit, _: fit.cooks_distance(),
    "cov_params": lambda fit, _: [fit.cov_params(), fit.cov_params(_contrasts(fit))],
    "denominators": lambda fit, _: inference.denominators(fit).errors(_contrasts(fit)),
    "drop1": lambda fit, _: _ml(fit).drop1(),
    "emmeans": lambda fit, _: _means(fit.emmeans("f")),
    "emtrends": lambda fit, _: _means(fit.emtrends("f", "x")),
    "f_test": lambda fit, _: [
        inference.f_test(fit, _contrasts(fit)[:-1], dof="satterthwaite"),
        fit.f_test(_contrasts(fit)[:-1]).fvalue,
    ],
    "get_influence": _rows_influence,
    "get_prediction": _predictions,
    "glance": lambda fit, _: fit.glance(),
    "hausman_test": lambda fit, _: fit.hausman_test(_of_grouping(fit)),
    "icc": lambda fit, _: fit.icc(),
    "influence": _influence,
    "info_criteria": lambda fit, _: [fit.info_criteria(name) for name in ("aic", "bic")],
    "issingular": lambda fit, _: fit.issingular(),
    "joint_tests": lambda fit, _: fit.joint_tests(),
    "leverage": lambda fit, _: fit.leverage(),
    "mundlak_test": lambda fit, _: fit.mundlak_test(_of_grouping(fit)),
    "power": lambda fit, _: fit.power(4, seed=1).table(),
    "predict": lambda fit, data: [fit.predict(), fit.predict(_rows(data))],
    "profile": lambda fit, _: fit.profile().conf_int(),
    "r2": lambda fit, _: fit.r2(),
    "ranef": lambda fit, _: [fit.ranef(), fit.ranef(uscale=True), fit.ranef(se=True, form="long")],
    "ranova": lambda fit, _: fit.ranova(),
    "re_pca": _principal,
    "refit": lambda fit, _: fit.refit(np.ravel(fit.simulate(1, seed=2))).params,
    "residuals": lambda fit, _: _each(
        fit.residuals, lambda: fit.residuals("pearson"),
        lambda: fit.residuals("pearson", standardized=True),
    ),
    "simulate": lambda fit, data: _each(
        lambda: fit.simulate(2, seed=3), lambda: fit.simulate(2, seed=3, re="conditional"),
        lambda: fit.simulate(2, seed=3, exog=_rows(data)),
    ),
    "simulated_residuals": _simulated,
    "summary": lambda fit, _: str(fit.summary()) and None,
    "summary2": lambda fit, _: str(fit.summary2()) and None,
    "t_test": lambda fit, _: fit.t_test(_contrasts(fit)).summary_frame(),
    "t_test_pairwise": lambda fit, _: fit.t_test_pairwise("f").result_frame,
    "table_lines": lambda fit, _: fit.table_lines() and None,
    "tidy": lambda fit, _: [fit.tidy(), fit.tidy(conf_method="profile")],
    "to_dir": _saved,
    "update": lambda fit, _: fit.update(". ~ . - f").fit().params,
    "varpar_cov": lambda fit, _: inference.varpar_cov(fit),
    "vif": lambda fit, _: fit.vif(),
    "wald_test": lambda fit, _: fit.wald_test(_contrasts(fit)[:-1]).statistic,
    "wald_test_terms": lambda fit, _: fit.wald_test_terms().table,
    "with_inference": _inferences,
}  # fmt: skip


def public_names(fit: Any) -> set[str]:
    """Return the names of all attributes and methods of a fit and of all functions after one."""
    names = {name for name in dir(fit) if not name.startswith("_")}
    return names | (set(inference.__all__) - CLASSES)


def answers(fit: Any, data: pd.DataFrame) -> Answers:
    """Return all numbers that a fit answers with."""
    found: Answers = {}
    for name in sorted(public_names(fit) - set(NO_NUMBERS)):
        try:
            value = CALLS[name](fit, data) if name in CALLS else getattr(fit, name)
        except MixedModelError as error:
            # A refusal is an answer: it must be the same for equivalent data.
            found[f"{name} is refused: {type(error).__name__}"] = np.zeros(0)
            continue
        found |= dict(_flat(name, value))
    return found


def _flat(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Tell arrays and columns apart."""
    if isinstance(value, pd.DataFrame):
        for place, column in enumerate(value.columns):
            if pd.api.types.is_numeric_dtype(value.iloc[:, place]):
                yield f"{name}/{column}", value.iloc[:, place].to_numpy(float)
    elif isinstance(value, pd.Series):
        if pd.api.types.is_numeric_dtype(value):
            yield name, value.to_numpy(float)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _flat(f"{name}/{each.name}", getattr(value, each.name))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(f"{name}/{key}", each)
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from _flat(f"{name}/{place}", each)
    elif isinstance(value, np.ndarray | float | int | np.number | np.bool_):
        array = np.asarray(value)
        if array.dtype.kind in "fiub":
            yield name, np.ravel(array).astype(float)
