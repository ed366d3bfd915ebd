"""Equivalent inputs: what is asked in another form has the same answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula
from patsy import Helmert, Sum, Treatment

from statsmodels_mixed.fitting.covariance import theta_of

from . import generalized_models, linear_models
from .dense import criterion_of
from .many_digits import moved_by_last_digits
from .outcome import Outcome, watch

__all__ = ["RELATIONS", "check"]

SAME = 1e-6
# Estimates are off by the root of twice what the report promises, in standard errors. Rounding in
# likelihoods of links such as the cauchit may leave as much as this.
ROUNDING = 1e-10
# Differences of the criterion in a valley whose ends rounding decides.
LEVEL = 1e-7
# Fitted values of linear models have this share of the largest response as their least size: it
# allows differences of 1e-14 of it, some 50 rounding errors of the sums that they are.
LEAST_SIZE = 1e-9
# Residuals that are this share of the response may be its rounding errors; see `unbounded`.
LOST = 32 * 16 * float(np.finfo(float).eps)
Case = Any


@dataclass
class Equivalent:
    """A case in another form, and how its answers follow from those of the case.

    Parameters
    ----------
    case : LinearCase or GeneralizedCase
    base : LinearCase or GeneralizedCase
        What it is equivalent to.
    objective : float
        Difference of the objectives.
    factors : dict of str to float
        What coefficients are multiplied by, 1 for others.
    moved : set of str
        Coefficients that have another meaning.
    rows : ndarray, optional
        The row of the case that is row i here.
    unit : float
        What fitted values are multiplied by.
    shift : float
        What is then added to them.
    engine : str, optional
        Formula engine.
    """

    case: Case
    base: Case
    objective: float = 0.0
    factors: dict[str, float] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    rows: np.ndarray | None = None
    unit: float = 1.0
    shift: float = 0.0
    engine: str | None = None

    def fit(self) -> Any:
        with _engine(self.engine or "patsy"):
            return self.case.fit()


@contextmanager
def _engine(name: str):
    options = statsmodels.formula.options
    before, options.formula_engine = options.formula_engine, name
    try:
        yield
    finally:
        options.formula_engine = before


Relation = Callable[[Case, np.random.Generator], Equivalent | None]


def _is_linear(case: Case) -> bool:
    return isinstance(case, linear_models.LinearCase)


def _on_grid(case: Case, *names: str) -> Case:
    """The case with columns rounded to multiples of 2^-20, which shifts leave exact."""
    data = case.data.copy()
    for name in names:
        data[name] = np.round(data[name] * 2.0**20) / 2.0**20
    return replace(case, data=data)


def _intercept(case: Case) -> bool:
    return "0 + " not in case.formula.partition("+ (")[0]


def permuted_rows(case: Case, rng: np.random.Generator) -> Equivalent:
    order = rng.permutation(len(case.data))
    data = case.data.iloc[order].reset_index(drop=True)
    return Equivalent(replace(case, data=data), case, rows=order)


def other_labels(case: Case, rng: np.random.Generator) -> Equivalent:
    data = case.data.copy()
    for name in ("g", "h"):
        levels = np.unique(data[name])
        new = rng.permutation(len(levels)) * 7 - 3
        shown: Any = new if rng.random() < 0.5 else np.char.add("level ", new.astype(str))
        data[name] = pd.Series(dict(zip(levels, shown, strict=True))).loc[data[name]].to_numpy()
        if rng.random() < 0.3:
            data[name] = data[name].astype("category")
    return Equivalent(replace(case, data=data), case)


def reordered_terms(case: Case, rng: np.random.Generator) -> Equivalent:
    left, _, right = case.formula.partition(" ~ ")
    parts = right.replace(" + (", "\n(").split("\n")
    parts[:1] = parts[0].split(" + ") if "0" not in parts[0] else parts[:1]
    order = rng.permutation(len(parts))
    # (1 | g / h) and slopes keep their insides.
    return Equivalent(
        replace(case, formula=f"{left} ~ " + " + ".join(parts[i] for i in order)), case
    )


def other_contrasts(case: Case, rng: np.random.Generator) -> Equivalent | None:
    if " f" not in case.formula or "(f" in case.formula or "* f2" in case.formula:
        return None
    last = case.data["f"].max()
    coding = (Sum(), Helmert(), Treatment(reference=last))[rng.integers(3)]
    new = replace(case, options={**case.options, "contrasts": {"f": coding}})
    names = set(case.model().exog_names) | set(new.model().exog_names)
    keep = {"x"} & names if "x * f" not in case.formula else set()
    return Equivalent(new, case, objective=_change_of_basis(case, new), moved=names - keep)


def _change_of_basis(case: Case, new: Case) -> float:
    """What another basis of the columns of X adds to a REML criterion."""
    if not case.how.get("reml"):
        return 0.0
    sizes = []
    for one in (case, new):
        X = one.model().design.X
        values = np.linalg.svd(X, compute_uv=False)
        if values[-1] < 1e-9 * values[0]:
            return np.nan
        sizes.append(2 * np.log(values).sum())
    return float(sizes[1] - sizes[0])


def scaled_x(case: Case, rng: np.random.Generator) -> Equivalent | None:
    if "twice" in case.formula or "x * f" in case.formula:
        return None
    c = float(10.0 ** rng.uniform(-8, 8))
    data = case.data.copy()
    data["x"] *= c
    there = "x" in case.model().exog_names
    reml = 2 * np.log(c) * there if case.how.get("reml") else 0.0
    return Equivalent(replace(case, data=data), case, objective=reml, factors={"x": 1 / c})


def shifted_x(case: Case, rng: np.random.Generator) -> Equivalent | None:
    right = case.formula.partition(" ~ ")[2].partition(" + (")
    if right[0] not in ("x", "x + f", "x + x2") or "||" in right[2] or "0 + x" in right[2]:
        return None
    base, data = _on_grid(case, "x"), case.data.copy()
    sd = float(base.data["x"].std()) or 1.0
    c = float(np.round(sd * 10.0 ** rng.uniform(0, 7) * 1024) / 1024)
    data["x"] = base.data["x"] + c
    return Equivalent(replace(case, data=data), base, moved={"Intercept"})


def scaled_y(case: Case, rng: np.random.Generator) -> Equivalent | None:
    if not _is_linear(case) or "offset" in case.options:
        return None
    c = float(10.0 ** (rng.uniform(-8, 8) if rng.random() < 0.8 else rng.uniform(-150, 150)))
    data, how = case.data.copy(), dict(case.how)
    data["y"] *= c
    model = case.model()
    n, rank = len(data), np.linalg.matrix_rank(model.design.X)
    objective = 2 * np.log(c) * (n - rank * how["reml"])
    if "sigma" in how:
        how["sigma"] *= c
    new = replace(case, data=data, how=how)
    factors = {name: c for name in model.exog_names}
    return Equivalent(new, case, objective=objective, factors=factors, unit=c)


def shifted_y(case: Case, rng: np.random.Generator) -> Equivalent | None:
    if not _is_linear(case) or not _intercept(case):
        return None
    # Their difference is what is modelled.
    base = _on_grid(case, "y", *(["o"] if "offset" in case.options else []))
    c = float(2.0 ** rng.integers(0, 30))
    data = base.data.assign(y=base.data["y"] + c)
    return Equivalent(replace(case, data=data), base, moved={"Intercept"}, shift=c)


def halved_weights(case: Case, rng: np.random.Generator) -> Equivalent | None:
    """Every row twice with half its weight: the same products when sigma is known."""
    if _is_linear(case):
        if "sigma" not in case.how or case.how["reml"]:
            return None
    elif case.kind.family not in ("poisson", "negative_binomial"):
        return None
    data = case.data.copy()
    data["w"] = data["w"] if "weights" in case.options else 1.0
    base = replace(case, data=data, options={**case.options, "weights": "w"})
    twice = pd.concat([data.assign(w=data["w"] / 2)] * 2, ignore_index=True)
    rows = np.tile(np.arange(len(data)), 2)
    objective = 0.0
    if _is_linear(case):
        w, s2 = data["w"].to_numpy(), case.how["sigma"] ** 2
        objective = float(np.sum(np.log(2 * np.pi * s2) - np.log(w / 4)))
    return Equivalent(replace(base, data=twice), base, objective=objective, rows=rows)


def polars_frame(case: Case, rng: np.random.Generator) -> Equivalent:
    import polars

    return Equivalent(replace(case, data=polars.from_pandas(case.data)), case)


def arrow_table(case: Case, rng: np.random.Generator) -> Equivalent:
    import pyarrow

    return Equivalent(replace(case, data=pyarrow.Table.from_pandas(case.data)), case)


def dictionary(case: Case, rng: np.random.Generator) -> Equivalent:
    columns = {name: case.data[name].to_numpy() for name in case.data}
    return Equivalent(replace(case, data=columns), case)


def formulaic_engine(case: Case, rng: np.random.Generator) -> Equivalent:
    return Equivalent(case, case, engine="formulaic")


RELATIONS: tuple[Relation, ...] = (
    permuted_rows, other_labels, reordered_terms, other_contrasts, scaled_x, shifted_x,
    scaled_y, shifted_y, halved_weights, polars_frame, arrow_table, dictionary, formulaic_engine,
)  # fmt: skip


def check(seed: int) -> Outcome:
    """Fit a model in two forms."""
    outcome, rng = Outcome(seed), np.random.default_rng([6, seed])
    case = (linear_models if seed % 2 else generalized_models).draw(seed)
    try:
        case.model()
    except ValueError:
        outcome.counts.append("not a model")
        return outcome
    equivalent = None
    while equivalent is None:
        relation = RELATIONS[rng.integers(len(RELATIONS))]
        equivalent = relation(case, rng)
    name = relation.__name__
    outcome.counts.append(name)
    first = watch(outcome, f"{name}: fit", equivalent.base.fit)
    second = watch(outcome, f"{name}: fit", equivalent.fit)
    if first.value is None or second.value is None:
        fitted = first.value or second.value
        if fitted is not None and not fitted.converged:
            outcome.counts.append("one is refused, the other not converged")
            return outcome
        if fitted is not None and _is_linear(equivalent.case) and _digits_lost(equivalent, fitted):
            outcome.counts.append("refused: rounding of the response hides the residuals")
            return outcome
        same = type(first.refusal) is type(second.refusal)
        outcome.require(same, f"{name}: one is refused", first.refusal or second.refusal)
        return outcome
    one, two = first.value, second.value
    if one.converged and two.converged and not len(one.separated):
        with np.errstate(all="ignore"):
            _compare(outcome, name, equivalent, one, two)
    elif len(one.separated) and len(two.separated):
        outcome.counts.append("separated: estimates without end are not compared")
    elif one.converged != two.converged:
        outcome.fail(f"{name}: one converges, the other does not", equivalent.case)
    return outcome


def _digits_lost(by: Equivalent, fitted: Any) -> bool:
    """Whether residuals of a fit are as small as rounding errors of the shifted response.

    The grid keeps these responses exact, which no reader of them can know: decimal numbers of
    the same size would have lost the residuals, so that they are refused.
    """
    weights, y = fitted.model.design.weights, np.asarray(by.case.data["y"], float)
    square = y**2 if weights is None else weights * y**2
    return bool(fitted.sigma < LOST * np.sqrt(np.mean(square)))


def _one_valley(by: Equivalent, one: Any, two: Any) -> bool:
    """Whether two ends are in a valley that is level to what rounding leaves.

    One fit says that rounding ended it, and the criterion of the dense algebra is level on the
    way from one covariance to the other: near a variance of zero its correlations turn freely.
    """
    if not hasattr(one.estimates, "cov_unscaled") or by.rows is not None:
        return False
    ended = {one.report.status, two.report.status}
    if "ROUNDOFF_LIMITED" not in ended or one.theta.shape != two.theta.shape:
        return False
    criterion = criterion_of(one.model.design, one.estimates.columns, **by.base.how)
    values = np.array([criterion.at(theta).value for theta in _between(one, two)])
    return bool(np.ptp(values) < LEVEL * max(1.0, abs(values[0]) / 1000))


def _between(one: Any, two: Any) -> Iterator[np.ndarray]:
    """theta of covariances from those of one fit to those of another."""
    patterns = [block.pattern for block in one.model.design.blocks]
    for share in np.linspace(0.0, 1.0, 9):
        factors = []
        for T, U in zip(one.estimates.factors, two.estimates.factors, strict=True):
            both = np.hstack([np.sqrt(1.0 - share) * T, np.sqrt(share) * U])
            factors.append(np.linalg.qr(both.T, mode="r").T)
        yield theta_of(factors, patterns)


def _compare(outcome: Outcome, name: str, by: Equivalent, one: Any, two: Any) -> None:
    """Objectives, coefficients and their errors, fitted values, parts of the covariance."""
    if set(one.fixefnames) != set(two.fixefnames) and not by.moved:
        # Of dependent columns others may be dropped, on which a REML criterion depends.
        same_rank = len(one.fixefnames) == len(two.fixefnames)
        outcome.require(same_rank, f"{name}: other columns are dropped", by.case)
        return
    wanted = one.objective + by.objective
    off = abs(two.objective - wanted)
    if off > SAME and off <= _error_of_quadrature(name, by, one):
        outcome.counts.append("nodes along other axes, within the error of quadrature")
        return
    if off > SAME * max(1.0, abs(wanted) / 1000):
        kind = "another optimum" if off > 1e-4 else "objective differs"
        outcome.fail(f"{name}: {kind}", f"{two.objective - wanted:.3g}; {by.case}")
        return
    compared = Outcome(outcome.seed)
    _estimates(compared, name, by, one, two)
    if compared.failures and _one_valley(by, one, two):
        outcome.counts.append("ends in one valley that is level to rounding")
        return
    if compared.failures and hasattr(one.estimates, "cov_unscaled"):
        more = moved_by_last_digits(one, by.base.how) + moved_by_last_digits(two, by.case.how)
        compared = Outcome(outcome.seed, ["compared with what last digits of data do"])
        _estimates(compared, name, by, one, two, more)
    outcome.counts += compared.counts
    outcome.failures += compared.failures


def _error_of_quadrature(name: str, by: Equivalent, fit: Any) -> float:
    """What is known of the objective where a shift turns the axes of the nodes, a product rule."""
    points = by.base.how.get("n_agq", 1)
    if name != "shifted_x" or points == 1:
        return 0.0
    kept, hessian = fit.estimates, by.base.how.get("hessian", "expected")
    finer = by.base.model().objective(
        kept.theta, kept.beta, kept.dispersion, n_agq=2 * points + 1, hessian=hessian
    )
    return float(abs(finer - fit.objective))


def _estimates(outcome: Outcome, name: str, by: Equivalent, one: Any, two: Any, more=0.0) -> None:
    """Coefficients and their errors, and fitted values; to a bound, and what is more than that."""
    same = _same(one, two) + more
    if same > SAME:
        outcome.counts.append("estimates within what rounding leaves")
    _coefficients(outcome, name, by, one, two, same)
    fitted, again = one.estimates.fitted, two.estimates.fitted
    rows = np.arange(len(fitted)) if by.rows is None else by.rows
    expected = fitted[rows] * by.unit + by.shift
    spread, largest = np.abs(fitted - fitted.mean()).max() * by.unit, np.abs(expected).max()
    # Means that are all the same but for rounding are compared with themselves.
    size = spread + 1e-9 * largest if spread > 1e-9 * largest else largest
    if _is_linear(by.base):
        # Means of responses that cancel, as integers may to the last digit, are rounding errors.
        response = np.asarray(by.base.data["y"], float)
        size = max(size, LEAST_SIZE * by.unit * float(np.abs(response).max()))
    gap = float(np.abs(again - expected).max() / size) if size > 0 else 0.0
    outcome.require(gap <= 10 * same, f"{name}: fitted values differ", f"{gap:.3g}; {by.case}")


def _same(one: Any, two: Any) -> float:
    """What estimates of a generalized model may differ by, in standard errors."""
    if hasattr(one.estimates, "cov_unscaled"):
        return SAME
    left = [min(max(fit.report.gradient_norm, 0.0), ROUNDING) for fit in (one, two)]
    return max(SAME, sum(float(np.sqrt(2.0 * each)) for each in left))


def _coefficients(
    outcome: Outcome, name: str, by: Equivalent, one: Any, two: Any, same: float
) -> None:
    common = [each for each in one.fixefnames if each in two.fixefnames and each not in by.moved]
    at = [[r.fixefnames.index(each) for each in common] for r in (one, two)]
    factors = np.array([by.factors.get(each, 1.0) for each in common])
    beta, again = one.estimates.beta[at[0]] * factors, two.estimates.beta[at[1]]
    errors, errors_again = _errors(one)[at[0]] * factors, _errors(two)[at[1]]
    # What depends on covariances that the data do not determine is an arbitrary number without a
    # standard error, in both forms.
    known = ~(np.isnan(errors) & np.isnan(errors_again))
    beta, again, errors, errors_again = (v[known] for v in (beta, again, errors, errors_again))
    gap = float(np.max(np.abs(beta - again) / errors, initial=0))
    outcome.require(gap <= same, f"{name}: coefficients differ", f"{gap:.3g}; {by.case}")
    gap = float(np.max(np.abs(errors_again / errors - 1), initial=0))
    # They are functions of theta, and where it is large change several times as fast as estimates.
    faster = 10.0 if same > SAME else 1.0
    outcome.require(
        gap <= faster * same, f"{name}: standard errors differ", f"{gap:.3g}; {by.case}"
    )


def _errors(result: Any) -> np.ndarray:
    kept = result.estimates
    if hasattr(kept, "cov_unscaled"):  # linear
        return result.bse[result.fixefnames].to_numpy()
    return np.sqrt(np.diag(kept.cov_conditional))
