"""Options by other names or with values of other kinds: answered with what to write.

A signature says what a function takes, and Python refuses the rest in words that help nobody.
Here the refusal says what to write: the name that an option has here, where other packages have
another, or the kind of its value. Annotations of numbers, names, flags and mappings say that kind,
and are read once for each function; options of other kinds are left to the function.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from numbers import Real
from os import PathLike
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .errors import OptionError, UnknownOptionError

__all__ = ["FITTING", "MAKING", "answering", "kinds_of_options", "refuse_other_kinds"]

P = ParamSpec("P")
R = TypeVar("R")

_NOTHING_SHOWN = (
    "nothing is printed during a fit; result.report and result.fitlog have what happened, and "
    'so has the logger "statsmodels_mixed" at level INFO or DEBUG'
)
_MINIMIZER = "optimizer= chooses the minimizer, ftol_rel=, xtol_rel= and max_eval= when it stops"
_FEW_DF = "dof= chooses degrees of freedom: 'residual', for linear models 'satterthwaite' too"

# Of fit in statsmodels (MixedLM, GLM, discrete models), lme4, MixedModels.jl and glmmTMB.
FITTING: dict[str, str] = {
    "reml": "a generalized linear mixed model is fitted by maximum likelihood",
    "method": 'write optimizer="newton" or the name of an NLopt algorithm such as "LN_BOBYQA"; '
    "a linear model by REML is fit(reml=True)",
    "maxiter": "write max_eval=, the largest number of evaluations",
    "maxfun": "write max_eval=, the largest number of evaluations",
    "max_iter": "write max_eval=, the largest number of evaluations",
    "tol": "write ftol_rel= or xtol_rel=",
    "gtol": _MINIMIZER,
    "rtol": "write ftol_rel= or xtol_rel=",
    "atol": "write ftol_abs= or xtol_abs=",
    "control": _MINIMIZER,
    "disp": _NOTHING_SHOWN,
    "full_output": _NOTHING_SHOWN,
    "verbose": _NOTHING_SHOWN,
    "verb": _NOTHING_SHOWN,
    "progress": "a fit shows none; bootstrap, power, influence and profile take it",
    "retall": "result.fitlog has the parameters that were tried",
    "callback": "result.fitlog has the parameters that were tried",
    "n_agq": "only generalized models have quadrature",
    "fast": "only generalized models have it",
    "sigma": "only linear models can have a known residual standard deviation",
    "use_t": 'write dof="residual" for t and F tests',
    "ddf": _FEW_DF,
    "df": _FEW_DF,
    "df_method": _FEW_DF,
    "lmer_df": _FEW_DF,
    "alpha": "intervals take it: conf_int(alpha=)",
    "cluster": 'write cov_type="cluster", cov_kwds={"groups": column}',
    "groups": 'write cov_type="cluster", cov_kwds={"groups": column}',
    "weights": "the model takes it",
    "offset": "the model takes it",
    "family": "the model takes it",
    "do_cg": _MINIMIZER,
    "fe_pen": "penalized fits are not offered",
    "cov_pen": "penalized fits are not offered",
    "free": "fixed covariance parameters are not offered; sigma= of a linear model can be known",
    "scale": "write sigma= for a known residual standard deviation of a linear model",
    "niter_sa": _MINIMIZER,
    "skip_hessian": "the Hessian is computed only when standard errors need it",
}

# Of constructors from a formula.
MAKING: dict[str, str] = {
    **{name: f"fit takes it: fit({name}=...)" for name in ("n_agq", "fast", "reml", "dof")},
    "family": "a linear model has none; mixedglm2 makes models of other families",
    "link": "a linear model has none; mixedglm2 makes models of other families",
    "exposure": "a linear model has none: write offset=, or mixedglm2 for counts",
    "ginverse": "write precision={name: (matrix, labels)}",
    "use_sqrt": "covariance parameters are always those of a Cholesky factor",
    "freq_weights": "write weights=",
    "var_weights": "write weights=",
    "wts": "write weights=",
    "na_action": 'write missing="drop", "raise" or "none"',
    "drop_cols": "columns of X that depend linearly on others are always dropped",
    "random": "write random effects in the formula: y ~ x + (1 + x | g)",
    "exog_re": "write random effects in the formula: y ~ x + (1 + x | g)",
    "group": "write groups=, or (1 | g) in the formula",
    "re": "write re_formula=, or random effects in the formula",
    "vcp_p": "there is no prior: the variances are estimated by maximum likelihood",
    "ident": "write random effects in the formula: y ~ x + (1 | g)",
}


def answering(elsewhere: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function refuse unknown options with the name to write instead.

    Values of another kind than annotated are refused too.

    Parameters
    ----------
    elsewhere : mapping of str to str
        What to write, by the name that an option has elsewhere.

    Returns
    -------
    callable
        A decorator; what it returns raises UnknownOptionError and OptionError.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters
        kinds = kinds_of_options(function)

        @wraps(function)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name not in parameters:
                    raise UnknownOptionError(
                        _answer(function.__name__, name, parameters, elsewhere)
                    )
            refuse_other_kinds(kinds, args, kwargs)
            return function(*args, **kwargs)

        return asked

    return decorate


def _answer(
    function: str, name: str, parameters: Mapping[str, Any], elsewhere: Mapping[str, str]
) -> str:
    called = "the model" if function == "from_formula" else function
    spelled = {_plain(each): each for each in [*elsewhere, *parameters]}
    here = spelled.get(_plain(name))
    if here in parameters:
        return f"{called} has no option {name}=: write {here}=."
    if here is not None:
        return f"{called} has no option {name}=: {elsewhere[here]}."
    near = difflib.get_close_matches(name, list(parameters), n=1)
    hint = f"did you mean {near[0]}=?" if near else f"it takes {', '.join(_options(parameters))}."
    return f"{called} has no option {name}=: {hint}"


def _options(parameters: Mapping[str, Any]) -> list[str]:
    return [name for name in parameters if name not in ("self", "cls", "formula", "data")]


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


# What is taken for an annotation, and how it is called.
_KINDS: dict[str, tuple[tuple[type, ...], tuple[str, ...]]] = {
    "int": ((Real, np.bool_), ("a number",)),
    "float": ((Real, np.bool_), ("a number",)),
    "bool": ((Real, np.bool_), ("True", "False")),
    "str": ((str,), ("a name",)),
    "PathLike[str]": ((PathLike,), ("a path",)),
    "Mapping[str, Any]": ((Mapping,), ("a dict",)),
    "None": ((type(None),), ("None",)),
}

_NOT_GIVEN = object()

Kinds = Sequence[tuple[int, str, tuple[type, ...], str]]


def kinds_of_options(function: Callable[..., Any]) -> Kinds:
    """Return the place, name, types and words of each option whose annotation says its kind.

    Parameters
    ----------
    function : callable
        With annotations that are text.
    """
    found = []
    for number, (name, parameter) in enumerate(inspect.signature(function).parameters.items()):
        # What is given by name only is not among those in order, of which there may be any number.
        place = sys.maxsize if parameter.kind is parameter.KEYWORD_ONLY else number
        parts = str(parameter.annotation).split(" | ")
        if all(part in _KINDS for part in parts):
            types = sum((_KINDS[part][0] for part in parts), ())
            words = _either(list(dict.fromkeys(w for part in parts for w in _KINDS[part][1])))
            found.append((place, name, types, words))
    return found


def _either(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + ", or " + words[-1] if len(words) > 2 else " or ".join(words)


def refuse_other_kinds(kinds: Kinds, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse values of another kind than their option has.

    Parameters
    ----------
    kinds : sequence
        From `kinds_of_options`.
    args : sequence
    kwargs : mapping
        What the function is called with.

    Raises
    ------
    OptionError
    """
    for place, name, types, words in kinds:
        value = args[place] if place < len(args) else kwargs.get(name, _NOT_GIVEN)
        if value is not _NOT_GIVEN and not isinstance(value, types):
            what = f"an object of type {type(value).__name__}"
            raise OptionError(f"{name} must be {words}, not {what}.")
