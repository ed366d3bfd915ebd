"""Models with formulas for zeros and dispersion, and of families with shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..._typing import Array
from ...errors import (
    ConvergenceWarning,
    FormulaError,
    IdentificationWarning,
    OptionError,
    SingularFitWarning,
    warn_caller,
)
from ...fitting.distributional.fit import fit_distributional
from ...fitting.distributional.row_parameters import (
    DISPERSION,
    SECOND_SHAPE,
    SHAPE,
    ZEROS,
    Piece,
    RowParameters,
    assemble,
    read_piece,
)
from ...fitting.distributional.start import coefficients_to_begin_with
from ...fitting.families.spec import family_names
from ...fitting.generalized.approximation import generalized_structure
from ...fitting.linear.vanishing_strata import refuse_vanishing_dispersions
from ...fitting.search.optimize import FitOptions
from ...formula.other_parts import read_part
from ...formula.terms import RandomTerm
from ...frame.design import Design
from ...frame.matrices.coding import CodedMatrix
from ...options import FITTING, answering
from ...results.distributional.separation import warn_of_infinite
from ...results.distributional.with_inference import choice_of, with_choice
from ...results.notes import warn_dropped
from ..generalized.model import GeneralizedLinearMixedModel
from .results import DistributionalResults

__all__ = ["DistributionalMixedModel", "check_formula"]


# Why responses of these kinds have no part of zeros, and what has one.
_NO_PART_OF_ZEROS = {
    "real": (
        'its zeros are numbers like others; "tweedie", or "gamma" and "lognormal" with hurdle=, '
        "are for zeros and positive numbers"
    ),
    "shares and ends": 'its thresholds have the zeros and ones; "beta" takes hurdle=',
    "categories": "categories are no zeros; mixedglm2 is for counts",
}
# Families with a dispersion, for the same responses as those without.
_SPREAD = {
    "poisson": "negative_binomial",
    "binomial": "beta_binomial",
    "truncated_poisson": "truncated_negative_binomial",
}
# Families whose dispersion is reported as in glmmTMB, as the inverse of the density's.
_INVERSE = ("negative_binomial", "truncated_negative_binomial", "gamma")
# A threshold of an end that no response reaches.
_FAR = 30.0


class DistributionalMixedModel(GeneralizedLinearMixedModel):
    """A generalized linear mixed model with formulas for zeros or for the dispersion.

    Made by `mixedglm2` where `zero_inflation`, `hurdle` or `dispersion` is given, or the family
    has more parameters than a mean and a dispersion.

    Parameters
    ----------
    kwargs : dict
        Models of this kind are not made from arrays.

    See Also
    --------
    GeneralizedLinearMixedModel.from_formula

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    <DistributionalMixedModel: ticks ~ 1 + (1 | brood); 403 rows>
    """

    formulas: dict[str, str]
    _fixed_formulas: dict[str, str]
    _random_terms: tuple[RandomTerm, ...]
    matrices: dict[str, CodedMatrix]
    _pieces: dict[str, tuple[Array, tuple[str, ...]]]

    def __init__(self, **kwargs: Any) -> None:
        raise OptionError("a model with several formulas is made by mixedglm2 or mixedordinal2.")

    def _begin(self, formulas: dict[str, str]) -> None:
        self._set_parts(formulas)
        self._other_formulas = self._fixed_formulas

    def _other_random(self) -> tuple[RandomTerm, ...]:
        return self._random_terms

    def _set_parts(self, parts: dict[str, str]) -> None:
        """Check the formulas and give the family the zeros they stand for."""
        self.formulas, self._fixed_formulas, self._random_terms = parts, {}, ()
        if "zero_inflation" in parts and "hurdle" in parts:
            raise OptionError("zero_inflation= and hurdle= are two models of zeros: give one.")
        for name, text in parts.items():
            check_formula(name, text)
            if name == "dispersion" and "|" in text:
                raise FormulaError(
                    f"{name}= has fixed effects only: leave random effects out.",
                    text,
                    text.index("|"),
                    text.index("|") + 1,
                )
            label = "" if name == "dispersion" else self._place_of(name)[0].removesuffix(": ")
            self._fixed_formulas[name], terms = read_part(name, text, label)
            self._random_terms += terms
        family = self.spec.family
        if "dispersion" in parts and not self.spec.has_dispersion:
            other = f': "{_SPREAD[family]}" has one' if family in _SPREAD else ""
            raise OptionError(
                f"the family {family} has no dispersion for dispersion= to model{other}."
            )
        zeros = "hurdle" if "hurdle" in parts else "inflation" if "zero_inflation" in parts else ""
        support = self.spec.support
        if zeros and support in _NO_PART_OF_ZEROS:
            option = "hurdle" if zeros == "hurdle" else "zero_inflation"
            why = _NO_PART_OF_ZEROS[support]
            raise OptionError(f"{option}= is not for the family {family}: {why}.")
        if zeros and support in ("positive", "shares", "positive counts"):
            zeros = "hurdle"  # the distribution has no zeros: all of them are the part's
        if zeros == "hurdle" and support in ("counts", "not negative", "trials"):
            if f"truncated_{family}" not in family_names():
                raise OptionError(
                    f"hurdle= is not for the family {family}, which has zeros of its own and no "
                    "truncated form: write zero_inflation=."
                )
            family = f"truncated_{family}"
        self.spec = replace(self.spec, family=family, zeros=zeros)

    def _own_options(self) -> dict[str, Any]:
        return {**super()._own_options(), **self.formulas}

    def _finish_formulas(self) -> None:
        """Evaluate the formulas for the rows of the model."""
        assert self.frame is not None
        made = self._other_matrices
        self.matrices = {name: matrix for name, (matrix, _) in made.items()}
        self._pieces = {name: (X, matrix.names) for name, (matrix, X) in made.items()}
        for name, (X, _) in self._pieces.items():
            if not X.shape[1]:
                raise OptionError(
                    f"{name}={self.formulas[name]!r} needs an intercept or another fixed effect."
                )
        self._rows(self.kept_design())  # what is not identified is refused here

    def _facts(self) -> dict[str, str]:
        """Return the formulas of the other parts, for the description."""
        facts = {**super()._facts(), "Link": getattr(self, "link_name", self.spec.link)}
        named = {name.capitalize(): text for name, text in self.formulas.items()}
        return {**facts, **named}

    @property
    def dispersion_sign(self) -> float:
        """-1 where the dispersion that is reported is the inverse of the density's."""
        return -1.0 if self.spec.family in _INVERSE else 1.0

    def _place_of(self, name: str) -> tuple[str, int, float]:
        """Return how names of a formula's coefficients begin, its place and sign."""
        if name == "dispersion":
            return "disp: ", DISPERSION, self.dispersion_sign
        return ("hurdle: " if name == "hurdle" else "zi: "), ZEROS, 1.0

    def _rows(self, design: Design) -> RowParameters:
        """Return the row parameters, with values to begin with."""
        n, y, spec = len(design.y), design.y, self.spec
        pieces, constant = [], np.zeros(4)
        ones = np.ones((n, 1))
        positive = y[y != 0] if spec.zeros else y
        if spec.has_dispersion:
            X, names = self._pieces.get("dispersion", (ones, ("Intercept",)))
            sign = self.dispersion_sign
            piece = read_piece(
                DISPERSION,
                X,
                tuple(f"disp: {name}" for name in names),
                "dispersion",
                np.log(self._start_dispersion(positive)),
            )
            pieces.append(Piece(piece.place, piece.X, piece.names, piece.start, sign))
        df = getattr(self.family, "df", None)
        if spec.family == "student_t" and df is not None:
            constant[SHAPE] = np.log(df)
        elif spec.family == "student_t":
            pieces.append(Piece(SHAPE, ones, ("shape: log df",), np.log(6.0)))
        elif spec.family == "tweedie":
            pieces.append(Piece(SHAPE, ones, ("shape: logit(power - 1)",), 0.0))
        elif spec.family == "ordered_beta":
            low, high = np.mean(y == 0), np.mean(y == 1)
            first = _logit(low) if low else -_FAR
            width = max(_logit(1.0 - high) - first, 0.5)
            constant[SHAPE], constant[SECOND_SHAPE] = first, np.log(2.0 * _FAR)
            if low:
                constant[SHAPE] = 0.0
                pieces.append(Piece(SHAPE, ones, ("cut: first",), first))
            if high:
                constant[SECOND_SHAPE] = 0.0
                pieces.append(Piece(SECOND_SHAPE, ones, ("cut: log distance",), np.log(width)))
        part = "hurdle" if "hurdle" in self.formulas else "zero_inflation"
        if part in self._pieces:
            X, names = self._pieces[part]
            label = "hurdle" if part == "hurdle" else "zi"
            share = np.mean(y == 0)
            start = _logit(share if spec.zeros == "hurdle" else 0.5 * share)
            piece = read_piece(ZEROS, X, tuple(f"{label}: {name}" for name in names), part, start)
            pieces.append(piece)
        if not pieces:  # a truncated Poisson: a parameter that nothing depends on
            return RowParameters(n, (None,) * 4, constant, np.empty(0), (), np.empty((0, 0)))
        return assemble(n, pieces, constant, spec.zeros)

    def _start_dispersion(self, y: Array) -> float:
        if self.spec.family in ("beta", "beta_binomial", "ordered_beta"):
            return 5.0
        if self.spec.family in ("gaussian", "lognormal", "student_t"):
            power = 2.0 if self.spec.family == "gaussian" else 1.0
            return float(max(float(np.std(y)), 1e-15 * float(np.mean(np.abs(y)))) ** power)
        if self.spec.family == "tweedie":
            mean = float(np.mean(y))
            return max(float(np.var(y / mean)), 0.1) * float(np.sqrt(mean))
        if self.spec.family == "inverse_gaussian":
            return float(np.var(y / np.mean(y)) / np.mean(y))
        return 1.0

    @answering(FITTING)
    def fit(  # type: ignore[override]
        self,
        *,
        n_agq: int = 1,
        optimizer: str = FitOptions.optimizer,
        ftol_rel: float = FitOptions.ftol_rel,
        ftol_abs: float = 1e-10,
        xtol_rel: float = FitOptions.xtol_rel,
        xtol_abs: float = FitOptions.xtol_abs,
        max_eval: int = FitOptions.max_eval,
        max_time: float = FitOptions.max_time,
        cov_type: str = "hessian",
        cov_kwds: Mapping[str, Any] | None = None,
    ) -> DistributionalResults:
        """Estimate the model by maximum likelihood.

        Parameters
        ----------
        n_agq : int
            Points of adaptive Gauss-Hermite quadrature for each random effect of a level,
            which needs a single grouping factor in all formulas: with d random effects of a
            level, in the mean and in zeros together, there are n_agq ** d nodes. 1 is the
            Laplace approximation, with the observed information.
        optimizer, ftol_rel, ftol_abs, xtol_rel, xtol_abs, max_eval, max_time
            As in `FitOptions`; a probability of zeros that tends to 0 makes the likelihood flat,
            which `ftol_abs` ends.
        cov_type : {"hessian", "cluster"}
            Standard errors from the Hessian of all parameters, or robust by clusters.
        cov_kwds : dict, optional
            As in `DistributionalResults.with_inference`.

        Returns
        -------
        DistributionalResults

        Raises
        ------
        OptionError
            If an option is not possible.
        DataError
            If the likelihood has no maximum that can be reached.

        Warns
        -----
        RankWarning
            Columns of X depend on the others.
        ConvergenceWarning
            The optimizer stopped before the gradient vanished.
        IdentificationWarning
            The data do not determine all covariance parameters.
        SingularFitWarning
            An estimated covariance matrix of random effects is not of full rank.

        See Also
        --------
        GeneralizedLinearMixedModel.fit

        Examples
        --------
        >>> ticks = datasets.load("grouseticks")
        >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
        >>> fit = model.fit()
        >>> fit.converged, fit.params.round(2).to_dict()
        (True, {'Intercept': 0.55, 'zi: Intercept': -3.48})
        """
        options = FitOptions(
            optimizer=optimizer,
            ftol_rel=ftol_rel,
            ftol_abs=ftol_abs,
            xtol_rel=xtol_rel,
            xtol_abs=xtol_abs,
            max_eval=max_eval,
            max_time=max_time,
        )
        choice = choice_of(self, cov_type, cov_kwds)
        design = self.kept_design()
        if "dispersion" in self._pieces:
            refuse_vanishing_dispersions(design, self.spec, *self._pieces["dispersion"])
        estimates = fit_distributional(
            design,
            self.spec,
            self._rows(design),
            coefficients_to_begin_with(design, self.spec, generalized_structure(design).basis),
            n_agq=n_agq,
            options=options,
        )
        if not estimates.report.converged:
            message = f"the fit did not converge: {estimates.report.message}"
            warn_caller(message, ConvergenceWarning)
        if estimates.report.not_identified:
            message = f"{'; '.join(estimates.report.not_identified)}: leave some out."
            warn_caller(message, IdentificationWarning)
        elif estimates.conditional.singular:
            message = "a covariance matrix of random effects is singular; see summary()."
            warn_caller(message, SingularFitWarning)
        fit = with_choice(DistributionalResults(self, estimates), choice)
        warn_dropped(fit.columns_dropped)
        warn_of_infinite(fit)
        return fit

    def _evaluate(self, *args: Any, **kwargs: Any) -> tuple[float, Array]:
        raise OptionError("a model with several formulas is evaluated by its fit only.")


def check_formula(name: str, text: Any) -> None:
    """Refuse what does not begin as the formula of an option does."""
    if not isinstance(text, str) or not text.strip().startswith("~"):
        raise OptionError(f'{name}= is a formula such as "~ x", not {text!r}.')


def _logit(share: float) -> float:
    bounded = min(max(float(share), 0.01), 0.99)
    return float(np.log(bounded / (1.0 - bounded)))
