"""Options by other names or with values of other kinds: answered with what to write.

A signature says what a function takes, and Python refuses the rest in words that help nobody.
Here the refusal says what to write: the name that an option has here, where other packages have
another, or the kind of its value. Annotations of numbers, names, flags and mappings say that kind,
and are read once for each function; options of other kinds are left to the function.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, wraps
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from .errors import OptionError, UnknownOptionError
from .option_kinds import Kind, either, kinds_of

__all__ = [
    "CATEGORIES",
    "FITTING",
    "MAKING",
    "ChecksOptions",
    "OptionCheck",
    "answering",
    "described",
]

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
    "ziformula": 'write zero_inflation="~ x", or hurdle="~ x" where all zeros are of their own',
    "zi": 'write zero_inflation="~ x", or hurdle="~ x" where all zeros are of their own',
    "dispformula": 'write dispersion="~ x"',
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

# Of those of ordered categories.
CATEGORIES: dict[str, str] = {
    **MAKING,
    "family": "it is for ordered categories; mixedglm2 makes models of other families",
    "exposure": "ordered categories have none: write offset=",
    "dispersion": 'ordered categories have none; nominal="~ x" lets effects differ by threshold',
    "scale": 'ordered categories have none; nominal="~ x" lets effects differ by threshold',
    "zero_inflation": "ordered categories have no zeros; mixedglm2 is for counts",
    "hurdle": "ordered categories have no zeros; mixedglm2 is for counts",
    "ziformula": "ordered categories have no zeros; mixedglm2 is for counts",
    "zi": "ordered categories have no zeros; mixedglm2 is for counts",
    "dispformula": 'ordered categories have none; nominal="~ x" lets effects differ by threshold',
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
        check = OptionCheck(function, elsewhere)
        code = getattr(function, "__code__", None)
        own = int(code is not None and code.co_varnames[:1] in (("self",), ("cls",)))

        @wraps(function)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            if kwargs or len(args) > own:
                check(args, kwargs)
            return function(*args, **kwargs)

        asked.__checks_options__ = True  # type: ignore[attr-defined]
        return asked

    return decorate


class ChecksOptions:
    """A class whose public methods refuse options of other names and values of other kinds.

    That is so for the methods in the body of each class below this one; those that check their
    options themselves are left as they are.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the check before each public method."""
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if (
                isinstance(method, FunctionType)
                and not name.startswith("_")
                and not hasattr(method, "__checks_options__")
            ):
                setattr(cls, name, answering({})(method))


class OptionCheck:
    """What a function can be called with, read from its signature at the first call.

    Parameters
    ----------
    function : callable
        With annotations that are text.
    elsewhere : mapping of str to str, optional
        As for `answering`.
    """

    def __init__(
        self, function: Callable[..., Any], elsewhere: Mapping[str, str] | None = None
    ) -> None:
        self.function, self.elsewhere = function, elsewhere or {}

    @cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    @cached_property
    def _takes_all(self) -> bool:
        return any(each.kind is each.VAR_KEYWORD for each in self._parameters.values())

    @cached_property
    def _kinds(self) -> Mapping[str, Sequence[Kind]]:
        found = {
            name: kinds_of(str(parameter.annotation))
            for name, parameter in self._parameters.items()
        }
        return {name: kinds for name, kinds in found.items() if kinds}

    @cached_property
    def _in_order(self) -> Sequence[tuple[int, str]]:
        """Place and name of the parameters of known kinds that may be given without their names."""
        named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
        places = enumerate(self._parameters.items())
        return [(i, name) for i, (name, p) in places if p.kind not in named and name in self._kinds]

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Refuse what the function is called with, if that is not possible.

        Parameters
        ----------
        args : sequence
        kwargs : mapping

        Raises
        ------
        UnknownOptionError
            For another name.
        OptionError
            For a value of another kind.
        """
        if not self._takes_all:
            for name in kwargs:
                if name not in self._parameters:
                    called = self.function.__name__
                    raise UnknownOptionError(
                        _answer(called, name, self._parameters, self.elsewhere)
                    )
        for place, name in self._in_order:
            if place >= len(args):
                break
            self._check_kind(name, args[place])
        for name, value in kwargs.items():
            self._check_kind(name, value)

    def _check_kind(self, name: str, value: Any) -> None:
        kinds = self._kinds.get(name)
        if kinds is None:
            return
        for kind in kinds:
            if kind.accepts(value):
                return
        words = either(list(dict.fromkeys(w for kind in kinds for w in kind.words)))
        raise OptionError(f"{name} must be {words}, not {described(value)}.")


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


def described(value: Any) -> str:
    """Return what a value is, in a few words.

    Parameters
    ----------
    value : object
    """
    if isinstance(value, bool | int | float | complex) or value is None:
        return repr(value) if len(repr(value)) < 40 else f"a number of {len(repr(value))} digits"
    if isinstance(value, str) and len(value) < 40:
        return repr(value)
    return f"an object of type {type(value).__name__}"
