"""One Python program and one model in a process of its own; prints a line of JSON.

    python worker.py PROGRAM task.json

The task names the formula, the family, the data (a Feather file) and how long to repeat. Time is
that of the process on its CPU; the first fit, which may compile or import, is not counted.
"""

from __future__ import annotations

import json
import re
import resource
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

TERM = re.compile(r" \+ \(([^|]+) \| ([^)]+)\)")


def parts(formula: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the formula without its random effects, and these: (left of the bar, group)."""
    return TERM.sub("", formula), TERM.findall(formula)


class Impossible(Exception):
    """The program has no such model."""


def statsmodels_mixed(task: dict[str, Any], data: pd.DataFrame):
    import statsmodels.api as sm

    from statsmodels_mixed import mixedglm2, mixedlm2

    families = {
        "binomial": sm.families.Binomial(),
        "poisson": sm.families.Poisson(),
        "gamma": sm.families.Gamma(sm.families.links.Log()),
    }

    def fit():
        if task["family"] == "gaussian":
            result = mixedlm2(task["formula"], data).fit()
        elif task["zeros"] or task["family"] == "nbinom2":
            zeros = {"zero_inflation": task["zeros"]} if task["zeros"] else {}
            model = mixedglm2(task["formula"], data, task["family"], **zeros)
            # Other programs take the observed information, as formulas of zeros do.
            result = model.fit(**({} if zeros else {"hessian": "observed", "cov_type": "hessian"}))
        else:
            result = mixedglm2(task["formula"], data, families[task["family"]]).fit(
                n_agq=task["nagq"]
            )
        result.bse.to_numpy()
        return -2 * result.llf, result.report.evaluations

    return fit


def statsmodels(task: dict[str, Any], data: pd.DataFrame):
    import statsmodels.formula.api as smf

    fixed, terms = parts(task["formula"])
    if task["family"] != "gaussian" or len(terms) != 1:
        raise Impossible
    (left, group), fixed = terms[0], fixed.replace("yield", "Q('yield')")

    def fit():
        result = smf.mixedlm(fixed, data, groups=group, re_formula=left).fit(reml=False)
        result.bse.to_numpy()
        return -2 * result.llf, None

    return fit


def glmm(task: dict[str, Any], data: pd.DataFrame):
    import glmm

    link = "log" if task["family"] == "gamma" else None

    def fit():
        result = glmm.fit(
            data, task["formula"], task["family"], reml=False, nagq=task["nagq"], link=link
        )
        return -2 * result.loglik, result.n_eval

    return fit


def mixedlm(task: dict[str, Any], data: pd.DataFrame):
    import mixedlm
    from mixedlm import families

    family = {
        "binomial": families.Binomial,
        "poisson": families.Poisson,
        "gamma": lambda: families.Gamma(link=families.LogLink()),
    }

    def fit():
        if task["family"] == "gaussian":
            result = mixedlm.lmer(task["formula"], data, REML=False)
        else:
            made = family[task["family"]]()
            result = mixedlm.glmer(task["formula"], data, family=made, nAGQ=task["nagq"])
        result.vcov()
        return -2 * float(result.logLik().value), None

    return fit


def mixedlm_rs(task: dict[str, Any], data: pd.DataFrame):
    import mixedlm_rs

    fixed, terms = parts(task["formula"])
    if task["family"] != "gaussian" or len(terms) != 1:
        raise Impossible
    (left, group), fixed = terms[0], fixed.replace("yield", "Q('yield')")

    def fit():
        result = mixedlm_rs.mixedlm(fixed, data, groups=group, re_formula=left).fit(reml=False)
        _ = result.bse
        return -2 * result.llf, None

    return fit


def lme_python(task: dict[str, Any], data: pd.DataFrame):
    import lme_python

    data = data.copy()
    for name in data:
        if data[name].dtype.kind in "iu":
            data[name] = data[name].astype("int64")

    def fit():
        if task["family"] == "gaussian":
            result = lme_python.lmer(task["formula"], data, False)
        else:
            link = "log" if task["family"] == "gamma" else None
            result = lme_python.glmer(
                task["formula"], data, task["family"], task["nagq"], link_name=link
            )
        _ = result.std_errors
        return -2 * result.log_likelihood, result.iterations

    return fit


def gpboost(task: dict[str, Any], data: pd.DataFrame):
    import gpboost
    import numpy as np
    from patsy import dmatrices

    fixed, terms = parts(task["formula"])
    if task["nagq"] > 1:
        raise Impossible
    groups = data[[group for _, group in terms if ":" not in group]].astype(str)
    if any(":" in group for _, group in terms):
        raise Impossible
    if any(" + " in left for left, _ in terms):
        raise Impossible  # correlated slopes are not in its models
    family = {"binomial": "bernoulli_logit"}.get(task["family"], task["family"])

    def fit():
        y, X = (np.asarray(m) for m in dmatrices(fixed.replace("yield", "Q('yield')"), data))
        model = gpboost.GPModel(
            group_data=groups.to_numpy(), likelihood=family, num_parallel_threads=1
        )
        model.fit(y=y.ravel(), X=X)
        model.get_coef(std_err=True)
        return 2 * model.get_current_neg_log_likelihood(), None

    return fit


PROGRAMS = {
    "statsmodels_mixed": statsmodels_mixed,
    "statsmodels": statsmodels,
    "glmm": glmm,
    "mixedlm": mixedlm,
    "mixedlm-rs": mixedlm_rs,
    "lme-python": lme_python,
    "gpboost": gpboost,
}


def peak_memory() -> float:
    """Return the largest memory of this process in MiB; the parent's own may be in getrusage's."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (text for text in status.read_text().splitlines() if "VmHWM" in text)
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(program: str, task: dict[str, Any]) -> dict[str, Any]:
    """Fit until the time is over, at least once."""
    warnings.simplefilter("ignore")
    data = pd.read_feather(task["data"])
    for name in task["factors"]:
        data[name] = data[name].astype("category")
    try:
        if program != "statsmodels_mixed" and (task["zeros"] or task["family"] == "nbinom2"):
            raise Impossible
        fit = PROGRAMS[program](task, data)
    except Impossible:
        return {"error": "no such model"}
    began = time.process_time()
    objective, evaluations = fit()
    first = time.process_time() - began
    long = first > 10 * task["seconds"]  # beside which imports do not count
    times = [first] if long else []
    while not times or (sum(times) < task["seconds"] and not long):
        began = time.process_time()
        objective, evaluations = fit()
        times.append(time.process_time() - began)
    return {
        "seconds": statistics.median(times),
        "fits": len(times),
        "objective": float(objective),
        "evaluations": None if evaluations is None else int(evaluations),
        "peak_mib": peak_memory(),
        "version": version(program),
    }


if __name__ == "__main__":
    answer = run(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
    sys.stdout.write(json.dumps(answer) + "\n")
