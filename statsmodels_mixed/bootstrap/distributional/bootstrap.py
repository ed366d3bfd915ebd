"""The bootstrap of fits with parameters of rows: responses drawn, and the model refitted."""

from __future__ import annotations

from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...errors import DataError, OptionError
from ...fitting.distributional.estimates import DistributionalEstimates
from ...fitting.generalized.approximation import generalized_structure
from ...fitting.refits import Flag
from ...results.distributional.separation import with_infinite
from ...results.parameters import CovarianceParameters, check_count
from ...simulation.distributional.hypothesized import hypothesized_fit
from ...simulation.distributional.simulate import simulator_of_fit
from ...simulation.simulator import Values
from ...simulation.streams import Seed, entropy_of, read_seed
from ..bootstrap import check_kind
from ..cases import Cases, cases_of
from ..continuation import check_same, fingerprint, replicated, taken_over
from ..parameter_rows import ParameterRows
from ..recipe import Recipe
from ..refitters import Worker
from ..replicates import Bootstrap
from ..runner import Draws, Run
from .refit import fit_to, fit_to_rows

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["bootstrap"]


def bootstrap(
    self: DistributionalFit,
    n: int = 1000,
    *,
    kind: str = "parametric",
    by: str | None = None,
    seed: Seed = None,
    re: str | None = None,
    beta: Values = None,
    theta: Values = None,
    dispersion: float | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    path: str | PathLike[str] | None = None,
    resume: Bootstrap | None = None,
) -> Bootstrap:
    """Fit the model to responses drawn from the fit, or to samples of its data.

    Ctrl-C ends a run early and returns the replicates done so far.

    Parameters
    ----------
    n : int
        Number of replicates.
    kind : {"parametric", "cases"}
        ``"parametric"``: responses are drawn from the model. ``"cases"``: levels of a grouping
        factor are drawn with replacement, with their rows, as for other models. A sample that
        does not determine all coefficients, as where a category is gone, is all NaN.
    by : str, optional
        The grouping factor for ``"cases"``, by default the one that contains all others.
    seed : int, sequence of int, SeedSequence or Generator, optional
        Replicate r is the fit to column r of `simulate` with the same seed, for any number of
        threads.
    re : {"new", "conditional"}, optional
        Draw new random effects, the default, or keep them at their conditional modes. This and
        the next are for ``"parametric"`` only.
    beta, theta, dispersion : optional
        Hypothesized parameters to draw from; see `simulate`.
    threads : int, optional
        Number of threads; by default the number of processors this process may use.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm; by default in terminals and
        notebooks, after a second.
    path : str or path, optional
        An Arrow file to which replicates are appended as they are done. If it exists,
        its replicates are taken over and the rest is computed.
    resume : Bootstrap, optional
        Replicates to take over, such as those of an interrupted run.

    Returns
    -------
    Bootstrap
        Coefficients of all parts are of the kind ``"beta"``; a dispersion that all rows have is
        also there on its own scale, as ``"dispersion"``.

    Raises
    ------
    OptionError
        If an option does not go with the model, or replicates to take over were drawn
        from another model, seed or parameters.
    DataError
        If the data of the fit were removed, or the file is something else.

    See Also
    --------
    DistributionalResults.simulate, Bootstrap

    References
    ----------
    Efron and Tibshirani (1993), An introduction to the bootstrap.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> replicates = model.fit().bootstrap(5, seed=1)
    >>> replicates.conf_int().loc["beta"].index.tolist()
    ['Intercept', 'zi: Intercept']
    """
    n = check_count(n, "replicates")
    resume = taken_over(resume, path)
    given = {"re": re, "beta": beta, "theta": theta, "dispersion": dispersion}
    check_kind(kind, by, [name for name, value in given.items() if value is not None])
    cases = cases_of(self.model.kept_design(), by) if kind == "cases" else None
    how = "new" if re is None else re
    if how == "conditional" and theta is not None:
        raise OptionError(
            'theta= cannot be used with re="conditional": the random effects are kept.'
        )
    truth = hypothesized_fit(self, beta=beta, theta=theta, dispersion=dispersion)
    draws: Draws = simulator_of_fit(truth, how) if cases is None else cases
    root = read_seed(resume.seed if seed is None and resume is not None else seed)
    recipe = _recipe(self, truth, draws.stream_length, root, how, cases.by if cases else "")
    if resume is not None:
        check_same(recipe, resume.recipe)
        recipe = resume.recipe
        if cases is None:
            truth = _truth_of(self, recipe)
            draws = simulator_of_fit(truth, how)
    work = partial(_worker, self, truth) if cases is None else partial(_of_cases, self, cases)
    run = partial(Run, work, draws, root)
    return replicated(recipe, n, run, resume, threads=threads, progress=progress, path=path)


def _of_cases(fit: DistributionalFit, cases: Cases) -> Worker:
    """Return what fits to samples of levels in one thread."""
    whole = len(fit.estimates.covariance)

    def work(draws: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
        rows = np.full((len(draws), _width(fit)), np.nan)
        converged = np.zeros(len(draws), dtype=bool)
        for r, drawn in enumerate(draws):
            if stop[0]:
                return rows[:r], converged[:r]
            sample = cases.sample(drawn)
            found = fit_to_rows(fit, sample, cases.rows_of(drawn)[0])
            if found is None or len(found.covariance) < whole:
                continue
            rows[r] = _row(fit, found, None)
            converged[r] = found.report.converged
        return rows, converged

    return work


def _worker(fit: DistributionalFit, truth: DistributionalFit) -> Worker:
    """Return what fits to responses in one thread."""
    structure = generalized_structure(fit.model.kept_design())

    def work(responses: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
        rows = np.full((len(responses), _width(fit)), np.nan)
        converged = np.zeros(len(responses), dtype=bool)
        for r, y in enumerate(responses):
            if stop[0]:
                return rows[:r], converged[:r]
            try:
                found = fit_to(truth, y, structure)
            except DataError:  # such a response has no maximum that can be reached
                continue
            rows[r], converged[r] = _row(fit, found, y), found.report.converged
        return rows, converged

    return work


def _width(fit: DistributionalFit) -> int:
    return 2 + 2 * len(fit._order) + len(fit.theta)


def _row(fit: DistributionalFit, estimates: DistributionalEstimates, y: Array | None) -> Array:
    """Return the parameters of a fit of the model, as a row of replicates.

    With a response y for the rows of the fit, coefficients without a finite estimate are infinite.
    """
    own, rows = estimates.conditional, fit.estimates.rows
    mean, kappa = own.beta, estimates.kappa
    if y is not None:
        mean, kappa = with_infinite(fit, estimates, y)
    # Shares of which none is at an end have no threshold there, which the fit may have.
    head = len(own.theta) + len(mean)
    at = [head + rows.names.index(name) for name in estimates.rows.names if name in rows.names]
    known = [head + i for i, name in enumerate(estimates.rows.names) if name in rows.names]
    both = np.full((2, head + len(rows.names)), np.nan)
    with np.errstate(invalid="ignore"):
        found = [np.concatenate([own.theta, mean, kappa]), np.sqrt(np.diag(estimates.covariance))]
    both[:, :head] = np.array(found)[:, :head]
    both[:, at] = np.array(found)[:, known]
    values, errors = both[:, fit._order]
    row: Array = ParameterRows.one(
        objective=estimates.objective,
        scale=fit._dispersion_of(estimates),
        beta=values,
        se=np.where(np.isinf(values), np.nan, errors),
        theta=own.theta,
    ).values[0]
    return row


def _recipe(
    fit: DistributionalFit,
    truth: DistributionalFit,
    stream_length: int,
    root: np.random.SeedSequence,
    re: str,
    by: str,
) -> Recipe:
    """Write down what the replicates will follow from."""
    design, own = fit.model.kept_design(), fit.estimates.conditional
    names = tuple(fit._names)
    one = fit._spec.has_dispersion and "dispersion" not in fit.model.formulas
    unknown = np.full(len(names), np.nan)
    return Recipe(
        model=fingerprint(design, own, *own.rows.X, own.rows.constant),
        formula=str(fit.model.formula_full),
        entropy=entropy_of(root),
        spawn_key=tuple(int(key) for key in root.spawn_key),
        stream_length=stream_length,
        re="" if by else re,
        by=by,
        scale_name="dispersion" if one else "",
        fixed_names=names,
        components=CovarianceParameters.of(fit.layout),
        units=np.concatenate([np.empty(0), *(b.column_sizes(None) for b in design.blocks)]),
        truth=ParameterRows.one(
            objective=np.nan,
            scale=fit._dispersion_of(truth.estimates),
            beta=np.asarray(truth.params),
            se=unknown,
            theta=truth.theta,
        ).values,
        estimate=_row(fit, fit.estimates, design.y)[None, :],
    )


def _truth_of(fit: DistributionalFit, recipe: Recipe) -> DistributionalFit:
    """Return the fit with the parameters that replicates were drawn from, to the last digit."""
    truth = recipe.read(recipe.truth)
    return hypothesized_fit(fit, beta=truth.beta[0], theta=truth.theta[0])
