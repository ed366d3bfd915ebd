"""Power of tests of the coefficients, by simulation.

Responses are drawn from the model with hypothesized parameters, the model is refitted to each,
and hypotheses L beta = 0 are tested in each fit. The share of rejections is the power of the
test, or where the hypothesis is true its size. Nothing is borrowed from the fit that the
responses were drawn from: every test has its own estimates, standard errors and denominator
degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaincinv

from .._core import one_blas_thread
from .._typing import Array, Numbers
from ..comparison.hypotheses import term_hypotheses
from ..errors import MixedModelWarning, OptionError, warn_caller
from ..fitting.estimates import Estimates
from ..frame.table.alignment import align_names
from ..later import load
from ..option_kinds import are_numbers
from ..options import described
from ..results.base import unwrap
from ..results.degrees_of_freedom import denominators
from ..results.not_identified import warn_not_identified
from ..results.notes import warn_not_estimable
from ..results.own_function import own_first
from ..results.parameters import CovarianceParameters, check_count, quantile_levels
from ..results.progress import Progress
from ..simulation.simulator import Values, hypothesized
from ..simulation.simulators import simulator_of
from ..simulation.streams import Seed, read_seed
from ..standard_errors.reference import KENWARD_ROGER, MODEL_BASED
from ..tables.document import Document
from ..tables.shown import Shown, table_of
from .refitters import ResponseRefitter, Worker
from .replicate_tests import Hypothesis, likelihood_ratio_tests, small_sample_tests, wald_tests
from .runner import Draws, Run, missing_tasks, no_rows, number_of_threads

__all__ = ["Power", "check_rows", "power", "pvalues_of", "read_rows"]


TESTS = ("wald", "hessian", "satterthwaite", "kenward-roger", "lrt")
# Of models with correlated residuals besides.
RESIDUAL_TESTS = ("kenward-roger-linear", "kenward-roger-mmrm", "between-within")


@dataclass(frozen=True, eq=False)
class Power(Shown):
    """Tests of hypotheses in simulated responses.

    Parameters
    ----------
    test : str
        Which test.
    alpha : float
        Level of the tests.
    requested : int
        Number of responses that were asked for; fewer are there after an interruption.
    pvalues : DataFrame
        p-value of each hypothesis, a column, in each replicate, a row; NaN where a model
        could not be fitted, or a Wald test is about a coefficient that has no finite estimate.
    converged : ndarray of bool, shape (m,)
        Whether the fits of each replicate reached a stationary point.
    seed : SeedSequence
        With which the run can be repeated.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> power = fit.power(50, beta={"days": 3.0}, seed=1)
    >>> power.pvalues.shape
    (50, 2)
    """

    test: str
    alpha: float
    requested: int
    pvalues: pd.DataFrame
    converged: NDArray[np.bool_]
    seed: np.random.SeedSequence

    def __repr__(self) -> str:
        head = f"Power of {self.test} tests at level {self.alpha:g}, {len(self.pvalues)} replicates"
        return f"{head}\n{self.table().to_string()}"

    def _document(self) -> Document:
        head = f"Power of {self.test} tests at level {self.alpha:g}"
        notes = [f"{len(self.pvalues)} replicates."]
        if self.pvalues.isna().to_numpy().any():
            notes.append("Some have no test of a hypothesis: those that have are counted.")
        return Document(head, [table_of(self.table())], notes)

    def table(self, alpha: float | None = None, level: float = 0.95) -> pd.DataFrame:
        """Return how often the hypotheses were rejected.

        Parameters
        ----------
        alpha : float, optional
            Another level of the tests.
        level : float
            Of the intervals.

        Returns
        -------
        DataFrame
            For each hypothesis `power`, the share of the replicates in which it was rejected;
            `se`, its standard error; `lower` and `upper`, the exact interval of Clopper and
            Pearson (1934); `replicates`, the number of those that could be tested.

        Raises
        ------
        OptionError
            If a level is not between 0 and 1.

        References
        ----------
        Clopper and Pearson (1934), Biometrika 26, 404-413.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.power(50, beta={"days": 3.0}, seed=1).table().round(2)
                   power    se  lower  upper  replicates
        Intercept   1.00  0.00   0.93    1.0          50
        days        0.98  0.02   0.89    1.0          50
        """
        alpha = self.alpha if alpha is None else alpha
        quantile_levels(alpha)
        tail = quantile_levels(1.0 - level)[0]
        count = self.pvalues.notna().sum()
        rejected = (self.pvalues <= alpha).sum()
        share = rejected / count
        with np.errstate(invalid="ignore"):
            lower = betaincinv(rejected, count - rejected + 1, tail)
            upper = betaincinv(rejected + 1, count - rejected, 1.0 - tail)
        return pd.DataFrame(
            {
                "power": share,
                "se": np.sqrt(share * (1.0 - share) / count),
                "lower": np.where(rejected == 0, 0.0, lower),
                "upper": np.where(rejected == count, 1.0, upper),
                "replicates": count,
            }
        )


@own_first
def power(
    result: Any,
    n: int = 1000,
    *,
    beta: Values = None,
    theta: Values = None,
    sigma: float | None = None,
    dispersion: float | None = None,
    hypotheses: str | Mapping[str, Numbers] = "coefficients",
    test: str | None = None,
    alpha: float = 0.05,
    seed: Seed = None,
    threads: int | None = None,
    progress: bool | None = None,
) -> Power:
    """Estimate the power of tests of the coefficients by simulation.

    Ctrl-C ends a run early and returns what is done so far.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        A fit, with its data: it gives the design, and the parameters that are not
        hypothesized. Models are refitted as it was.
    n : int
        Number of responses to draw.
    beta, theta, sigma, dispersion : optional
        Parameters to draw from, as for `simulate`: ``beta={"days": 5.0}``.
    hypotheses : {"coefficients", "terms"} or mapping
        What is tested: that each coefficient is zero; that the type III contrasts of each
        term are; or that combinations of the estimable coefficients are, by name: arrays of
        shape (rank,) or (m, rank). Of combinations of the coefficients of all columns of X,
        shape (p,) or (m, p), those that are not estimable are NaN.
    test : {"wald", "hessian", "satterthwaite", "kenward-roger", "lrt"}, optional
        By default that of the fit, by its `dof` and `cov_type`. ``"wald"``: by the normal and
        chi-squared distributions, with standard errors given the covariance parameters.
        ``"hessian"``: the same for generalized models with standard errors from the Hessian of all
        parameters, computed anew for each response.
        ``"satterthwaite"`` and ``"kenward-roger"``: t and F tests of linear models (the latter
        by REML), with degrees of freedom computed anew for each response, which takes one to
        several milliseconds; with `residual=` every `dof` of these models. ``"lrt"``:
        likelihood-ratio tests, not for REML; each hypothesis takes another fit of every response.
    alpha : float
        Level of the tests.
    seed : int, sequence of int, SeedSequence or Generator, optional
        The same seed gives the same result, for any number of threads; the responses
        are those of `simulate` with that seed.
    threads : int, optional
        Number of threads; by default the number of processors this process may use.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm; by default in terminals and
        notebooks, after a second.

    Returns
    -------
    Power
        Its `table()` has the rates of rejection with Monte Carlo errors.

    Raises
    ------
    OptionError
        If an option does not go with the model, or no test of the hypotheses is determined by
        the data.
    DataError
        If the data of the result were removed.

    See Also
    --------
    simulate, bootstrap

    References
    ----------
    Green and MacLeod (2016), Methods in Ecology and Evolution 7, 493-498.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.power(50, beta={"days": 3.0}, seed=1).table()["power"].round(2)
    Intercept    1.00
    days         0.98
    Name: power, dtype: float64
    """
    result = unwrap(result, correlated=True)
    design, estimates = result.kept_design(), result.estimates
    n = check_count(n, "replicates")
    quantile_levels(alpha)
    test = _own_test(result) if test is None else test
    _check_test(test, result)
    named = _hypotheses(result, hypotheses)
    tested = [one for one in named.values() if one is not None]
    truth = hypothesized(result, beta=beta, theta=theta, sigma=sigma, dispersion=dispersion)
    simulator = simulator_of(design, estimates, truth, "new")
    components = CovarianceParameters.of_result(result)
    if result.takes_correlated and test not in ("wald", "lrt"):
        worker = load("bootstrap.residual_tests:residual_tests")(
            design, estimates, truth, tested, test, result.reference.information
        )
    elif test == "wald":
        worker = wald_tests(ResponseRefitter(design, estimates, truth, components), tested)
    elif test == "hessian":
        worker = load("bootstrap.hessian_tests:hessian_tests")(design, estimates, truth, tested)
    elif test == "lrt":
        worker = likelihood_ratio_tests(design, estimates, truth, components, tested)
    else:
        denominators(result, test)  # Raise here what each replicate would raise.
        worker = small_sample_tests(design, estimates, truth, components, tested, test)
    frame, converged, root = pvalues_of(
        worker, simulator, [one.name for one in tested], n, seed, threads, progress
    )
    frame = frame.reindex(columns=pd.Index(list(named), dtype=object))
    return Power(test, alpha, n, frame, converged, root)


def pvalues_of(
    worker: Callable[[], Worker],
    draws: Draws,
    names: list[str],
    n: int,
    seed: Seed,
    threads: int | None,
    progress: bool | None,
) -> tuple[pd.DataFrame, NDArray[np.bool_], np.random.SeedSequence]:
    """Return p-values of tests in fits to responses, whether those converged, and the seed.

    Parameters
    ----------
    worker : callable
        Makes what fits and tests in one thread.
    draws : Draws
        Of the responses.
    names : list of str
        Of the tests.
    n, seed, threads, progress
        As for `power`.
    """
    root = read_seed(seed)
    tasks = missing_tasks(n, draws.stream_length, np.empty(0, dtype=np.int64))
    run = Run(worker, draws, root, tasks)
    with ExitStack() as stack:
        bar = stack.enter_context(Progress("power", n, progress))
        stack.enter_context(one_blas_thread())
        run.finish(min(number_of_threads(threads), len(tasks)), bar.update)
    number, pvalues, converged = run.rows(no_rows(len(names)))
    index = pd.Index(number, name="replicate")
    frame = pd.DataFrame(pvalues, index=index, columns=pd.Index(names, dtype=object))
    _warn_untested(frame)
    return frame, converged, root


def _warn_untested(pvalues: pd.DataFrame) -> None:
    """Warn of hypotheses that no replicate has a test of."""
    lost = pvalues.columns[pvalues.isna().all()]
    if len(pvalues) and len(lost):
        warn_caller(
            f"no replicate has a test of {', '.join(map(repr, lost))}: the model could not be "
            "fitted, or a coefficient has no finite estimate; draw from other parameters.",
            MixedModelWarning,
        )


def _own_test(result: Any) -> str:
    """Return what the tests of a fit are called here."""
    reference = result.reference
    if reference.cov_type == "hessian" and reference.dof is None:
        return "hessian"
    ours = reference.errors in (MODEL_BASED, "Kenward-Roger")
    ours |= result.takes_correlated and reference.cov_type == "nonrobust"
    if reference.dof == "residual" or not ours:
        asked = f"dof={reference.dof!r}, cov_type={reference.cov_type!r}"
        raise OptionError(
            f"tests as of this fit ({asked}) are not simulated: choose others by test=."
        )
    return reference.dof or "wald"


def _check_test(test: str, result: Any) -> None:
    """Raise OptionError unless a test is possible after fits like the given one."""
    known = (*TESTS, *RESIDUAL_TESTS) if result.takes_correlated else TESTS
    if test not in known:
        raise OptionError(f"test= is one of {', '.join(map(repr, known))}, not {test!r}.")
    estimates: Estimates = result.estimates
    if test == "hessian" and (estimates.linear or estimates.fast):
        raise OptionError(
            f"test='hessian' is for generalized models that are fitted without fast=True; a "
            f"{result.kind} has 'wald' and 'lrt'."
        )
    if test in ("satterthwaite", "kenward-roger") and not estimates.linear:
        raise OptionError(
            f"test={test!r} is for linear models; a {result.kind} has 'wald', 'hessian' and 'lrt'."
        )
    if test in KENWARD_ROGER and not estimates.reml:
        raise OptionError(f"test={test!r} is for fits by REML: refit with reml=True.")
    if test == "lrt" and estimates.reml:
        raise OptionError(
            "test='lrt' is for maximum likelihood: REML criteria of models with different fixed "
            "effects are not comparable; refit with reml=False."
        )


def _hypotheses(result: Any, asked: str | Mapping[str, Numbers]) -> dict[str, Hypothesis | None]:
    """Return the hypotheses that are asked for by name; None if it is not estimable."""
    rank = len(result.estimates.beta)
    if isinstance(asked, Mapping):
        pairs = _known_rows(result, asked)
    elif asked == "coefficients":
        names = [result.layout.columns[i] for i in result.estimates.columns]
        pairs = [(name, row[None, :]) for name, row in zip(names, np.eye(rank), strict=True)]
    elif asked == "terms":
        pairs = [pair for pair in term_hypotheses(result) if len(pair[1])]
    else:
        raise OptionError(
            f'hypotheses= is "coefficients", "terms" or contrasts by name, not {asked!r}.'
        )
    if not pairs:
        raise OptionError("there is nothing to test: the model has no coefficients for it.")
    sizes = np.sqrt(np.diag(result.estimates.cov_conditional))
    # A fit without standard errors has no units of its coefficients; replicates have their own.
    sizes = np.where(np.isfinite(sizes), sizes, 1.0)
    if result.undetermined is not None:
        pairs = _determined(result, pairs)
    return {name: Hypothesis.of(name, rows, sizes) if len(rows) else None for name, rows in pairs}


def _determined(result: Any, pairs: list[tuple[str, Array]]) -> list[tuple[str, Array]]:
    """Return hypotheses without the rows of those whose tests the data do not determine."""
    lost = [name for name, rows in pairs if len(rows) and result.undetermined.joint(rows)]
    if lost and len(lost) == sum(len(rows) > 0 for _, rows in pairs):
        raise OptionError(
            "tests of these hypotheses depend on covariance parameters that the data do not "
            "determine; see `report` of the fit."
        )
    warn_not_identified([("", name) for name in lost], "rates of rejection")
    return [(name, rows[:0] if name in lost else rows) for name, rows in pairs]


def _known_rows(result: Any, asked: Mapping[str, Numbers]) -> list[tuple[str, Array]]:
    """Return the rows of hypotheses by name, none for those that are not estimable."""
    pairs, lost = [], 0
    own = (result.fixefnames, result.coefnames)
    for name, given in asked.items():
        rows, known = result._of_estimable(read_rows(name, given, own))
        lost += not known.all()
        checked = check_rows(name, rows, len(result.estimates.beta)) if known.all() else rows[:0]
        pairs.append((str(name), checked))
    if lost and lost == len(pairs):
        raise OptionError("the data do not determine any of the combinations in hypotheses=.")
    if lost:
        warn_not_estimable(lost, "hypothesis")
    return pairs


def read_rows(name: object, given: object, own: Iterable[Sequence[str]]) -> Array:
    """Return combinations of coefficients, whose names are `own`, as an array, a row each."""
    given = align_names(given, own, f"hypotheses[{name!r}]")
    if not are_numbers(given):
        raise OptionError(f"hypotheses[{name!r}] must be numbers, not {described(given)}.")
    return np.atleast_2d(np.asarray(given, dtype=float))


def check_rows(name: object, rows: Array, rank: int) -> Array:
    """Return combinations of `rank` coefficients, if they are that."""
    if rows.ndim != 2 or rows.shape[1] != rank or not np.isfinite(rows).all() or not rows.any():
        raise OptionError(
            f"hypotheses[{name!r}] must hold finite numbers, not all zero, one for each of the "
            f"{rank} estimable coefficients in every row; its shape is {rows.shape}."
        )
    return rows
