"""What users give for ``family=`` and ``link=``: names or objects of statsmodels."""

from __future__ import annotations

import copy
import difflib
import inspect
import re
from collections.abc import Mapping
from typing import Any

from statsmodels.genmod import families as sm_families
from statsmodels.genmod.families import links as sm_links

from ...errors import OptionError
from .spec import family_names, link_names, make_family, make_link

__all__ = ["Bernoulli", "choose_family"]


class Bernoulli(sm_families.Binomial):  # type: ignore[misc]
    """The family of a response of 0 and 1, truth values or two labels: a binomial of one trial.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Logit()`` by default.
    check_link : bool
        Whether statsmodels checks that the link is one of a binomial family.

    See Also
    --------
    GeneralizedLinearMixedModel.from_formula

    Examples
    --------
    >>> contra = datasets.load("contra")
    >>> mixedglm2("use ~ urban + (1 | dist)", contra, Bernoulli()).fit().params.round(2).to_dict()
    {'Intercept': -0.7, 'urban[T.Y]': 0.65}
    """

    def __init__(self, link: Any = None, check_link: bool = True) -> None:
        super().__init__(link, check_link=check_link)


# Other names of families and links, without signs between words.
_FAMILIES = {
    "normal": "gaussian",
    "nbinom": "negative_binomial",
    "nbinom2": "negative_binomial",
    "nb2": "negative_binomial",
    "negbin": "negative_binomial",
    "wald": "inverse_gaussian",
    "nbinom1": "negative_binomial1",
    "nb1": "negative_binomial1",
    "negativebinomial2": "negative_binomial",
    "genpois": "generalized_poisson",
    "compois": "conway_maxwell_poisson",
    "compoisson": "conway_maxwell_poisson",
    "betafamily": "beta",
    "t": "student_t",
    "tfamily": "student_t",
    "ordbeta": "ordered_beta",
    "truncatednbinom2": "truncated_negative_binomial",
    "truncatednbinom": "truncated_negative_binomial",
    "truncatednbinom1": "truncated_negative_binomial1",
    "truncatedgenpois": "truncated_generalized_poisson",
    "truncatedcompois": "truncated_conway_maxwell_poisson",
}
_ZERO_INFLATED = "is {} with zero_inflation= here"
_HURDLE = "is {} with hurdle= here"
_NO_LIKELIHOOD = "has no likelihood and is no family here: {}"
_CATEGORIES = "is no family here: ordered categories are modelled by mixedordinal2"
_NO_CATEGORIES = 'is no family here: fit each category against one, with family="bernoulli"'
# Names elsewhere of what is no family here, and what to write.
_ELSEWHERE = {
    "quasipoisson": _NO_LIKELIHOOD.format(
        '"negative_binomial", or (1 | row) with a column that numbers the rows'
    ),
    "quasibinomial": _NO_LIKELIHOOD.format(
        '"beta_binomial", or (1 | row) with a column that numbers the rows'
    ),
    **{
        prefix + name: _ZERO_INFLATED.format(f'"{family}"')
        for name, family in (
            ("poisson", "poisson"),
            ("negbinomial", "negative_binomial"),
            ("negativebinomial", "negative_binomial"),
            ("binomial", "binomial"),
        )
        for prefix in ("zeroinflated", "zi")
    },
    "zip": _ZERO_INFLATED.format('"poisson"'),
    "zinb": _ZERO_INFLATED.format('"negative_binomial"'),
    "zib": _ZERO_INFLATED.format('"binomial"'),
    "zeroinflatedbeta": _HURDLE.format('"beta"'),
    "zigamma": _HURDLE.format('"gamma"'),
    "hurdlepoisson": _HURDLE.format('"poisson"'),
    "hurdlenegbinomial": _HURDLE.format('"negative_binomial"'),
    "hurdlegamma": _HURDLE.format('"gamma"'),
    "hurdlelognormal": _HURDLE.format('"lognormal"'),
    **dict.fromkeys(("ordinal", "ordered", "cumulative"), _CATEGORIES),
    **dict.fromkeys(("multinomial", "categorical"), _NO_CATEGORIES),
    "skewnormal": 'is no family here: "student_t" is for numbers with outliers, "lognormal" for '
    "positive ones that are skewed",
}
_LINKS = {
    "logistic": "logit",
    "cauchy": "cauchit",
    "inversepower": "inverse",
    "inversesquare": "inverse-squared",
    "squareroot": "sqrt",
    "complementaryloglog": "cloglog",
}


def choose_family(family: Any, link: Any = None) -> Any:
    """Return the family object that the user means.

    Parameters
    ----------
    family : str or statsmodels family
        A name, in any case and with any sign between words, or an object.
    link : str or statsmodels link, optional
        In place of the link of the family.

    Returns
    -------
    statsmodels family
        A new one, or the user's own if there is no `link`.

    Raises
    ------
    OptionError
        If there is no such family or link, or they do not go together.
    """
    if isinstance(family, str):
        family = _named_family(family)
    if link is None or not isinstance(family, sm_families.Family):
        return family  # what is no family is refused by `read_family`
    if inspect.isclass(link):
        raise OptionError(f"link= is an object or a name, not a class: write {link.__name__}().")
    chosen = _named_link(link) if isinstance(link, str) else link
    family = copy.deepcopy(family)
    try:
        family.link = chosen
    except (TypeError, ValueError) as error:
        shown = link if isinstance(link, str) else type(link).__name__
        own = [name for name in link_names() if isinstance(make_link(name), tuple(family.links))]
        raise OptionError(
            f"the family {type(family).__name__} has no link {shown}: it has {', '.join(own)}."
        ) from error
    return family


def _named_family(name: str) -> Any:
    key = _key(name)
    if key == "bernoulli":
        return Bernoulli()
    known = {_key(each): each for each in family_names()} | _FAMILIES
    if key not in known:
        names = ["bernoulli", *family_names()]
        if key in _ELSEWHERE:
            raise OptionError(f"{name!r} {_ELSEWHERE[key]}.")
        meant = _nearest(key, {**known, "bernoulli": "bernoulli"})
        raise OptionError(f"there is no family {name!r}{meant}: choose one of {', '.join(names)}.")
    return make_family(known[key])


def _named_link(name: str) -> sm_links.Link:
    key = _key(name)
    known = {_key(each): each for each in link_names()} | _LINKS
    if key not in known:
        links = ", ".join(link_names())
        raise OptionError(
            f"there is no link {name!r}{_nearest(key, known)}: choose one of {links}."
        )
    return make_link(known[key])


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _nearest(key: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f" (did you mean {known[near[0]]!r}?)" if near else ""
