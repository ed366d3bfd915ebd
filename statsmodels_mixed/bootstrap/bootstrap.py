"""The bootstrap: responses drawn from a fit, or samples of the data, and the model refitted.

For responses the structure of the model is analysed once and shared by all threads; each has
its own workspace, and the core releases the interpreter's lock while it works. Every sample
of the data is a model of its own. Fits start at the parameters that responses were drawn
from, or at the estimates.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..fitting.problem import problem_of
from ..results.base import unwrap
from ..results.not_identified import not_identified
from ..results.own_function import own_first
from ..results.parameters import CovarianceParameters, check_count
from ..simulation.simulator import Truth, Values, hypothesized
from ..simulation.simulators import simulator_of
from ..simulation.streams import Seed, entropy_of, read_seed
from .cases import CaseRefitter, cases_of
from .continuation import check_same, fingerprint, replicated, taken_over
from .parameter_rows import ParameterRows
from .recipe import Recipe
from .refitters import Refitter, ResponseRefitter
from .replicates import Bootstrap
from .residual_cases import ResidualCaseRefitter, residual_cases
from .runner import Draws, Run

__all__ = ["bootstrap", "check_kind"]


@own_first
def bootstrap(
    result: Any,
    n: int,
    *,
    kind: str = "parametric",
    by: str | None = None,
    seed: Seed = None,
    re: str | None = None,
    beta: Values = None,
    theta: Values = None,
    sigma: float | None = None,
    dispersion: float | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    path: str | PathLike[str] | None = None,
    resume: Bootstrap | None = None,
) -> Bootstrap:
    """Refit a model to responses drawn from it, or to samples of its data.

    Ctrl-C ends a run early and returns the replicates done so far.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data. Replicates have the same criterion (ML or REML), or the
        same approximation; their standard errors are those given theta.
    n : int
        Number of replicates.
    kind : {"parametric", "cases"}
        ``"parametric"``: responses are drawn from the model. ``"cases"``: levels of a
        grouping factor are drawn with replacement, as many as there are, with their rows,
        weights and offset. Each drawn is a level of its own, and so are the levels of other
        factors within it. Levels of a crossed factor are shared by copies as by others:
        replicates then vary as for other levels of `by` and the same levels of that factor.
        A coefficient that a sample does not determine, as when a column of X is constant or zero
        there, is NaN in its replicate; a sample the model cannot be fitted to is all NaN.
    by : str, optional
        The grouping factor for ``"cases"``, by default the one that contains all others; the
        subjects of `residual=` are one, and where `dispersion=` is alone rows are drawn.
        Where it is nested in another, levels are drawn within each level of the other.
    seed : int, sequence of int, SeedSequence or Generator, optional
        The same seed gives the same replicates, for any number of threads; replicate
        r is the fit to column r of `simulate` with that seed.
    re : {"new", "conditional"}, optional
        Draw new random effects, the default, or keep them at their conditional modes. This
        and the next are for ``"parametric"`` only.
    beta, theta, sigma, dispersion : optional
        Hypothesized parameters to draw from; see `simulate`.
    threads : int, optional
        Number of threads; by default the number of processors this process may use.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm; by default in terminals and
        notebooks, after a second.
    path : str or path, optional
        An Arrow file to which replicates are appended as they are done. If it exists,
        its replicates are taken over and the rest is computed: a run that was killed
        goes on where it stopped, with the same random numbers.
    resume : Bootstrap, optional
        Replicates to take over, such as those of an interrupted run.

    Returns
    -------
    Bootstrap

    Raises
    ------
    OptionError
        If an option does not go with the model, or replicates to take over were drawn
        from another model, seed or parameters.
    DataError
        If the data of the result were removed, or the file is something else.

    See Also
    --------
    simulate, profile, Bootstrap

    References
    ----------
    Efron and Tibshirani (1993), An introduction to the bootstrap. Field and Welsh (2007), Journal
    of the Royal Statistical Society B 69, 369-390.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> replicates = fit.bootstrap(99, seed=1)
    >>> replicates.conf_int(kinds="beta").round(1)
                    estimate  lower  upper  replicates
    kind name
    beta Intercept     251.4  233.2  273.1          99
         days           10.5    8.6   12.1          99
    """
    result = unwrap(result, correlated=True)
    design, estimates = result.kept_design(), result.estimates
    n = check_count(n, "replicates")
    resume = taken_over(resume, path)
    given = {"re": re, "beta": beta, "theta": theta, "sigma": sigma, "dispersion": dispersion}
    check_kind(kind, by, [name for name, value in given.items() if value is not None])
    truth = hypothesized(result, beta=beta, theta=theta, sigma=sigma, dispersion=dispersion)
    cases = None
    if kind == "cases":
        correlated = result.takes_correlated
        cases = residual_cases(design, estimates, by) if correlated else cases_of(design, by)
    how = "" if cases is not None else "new" if re is None else re
    components = _components(result, theta)

    def parts(truth: Truth) -> tuple[Draws, Refitter]:
        if cases is not None:
            made = ResidualCaseRefitter if result.takes_correlated else CaseRefitter
            return cases, made(cases, estimates, truth)
        simulator = simulator_of(design, estimates, truth, how)
        return simulator, ResponseRefitter(design, estimates, truth, components)

    draws, refitter = parts(truth)
    root = read_seed(resume.seed if seed is None and resume is not None else seed)
    by_level = cases.by if cases else ""
    recipe = _recipe(result, components, truth, draws.stream_length, root, how, by_level)
    # Responses drawn from a theta that the data do not determine spread as it has it.
    lost = not_identified(result, spread=cases is None and theta is None)
    recipe = replace(recipe, not_identified=tuple(sorted(lost)))
    if resume is not None:
        check_same(recipe, resume.recipe)
        # The same to the last digit, though the fit may have been repeated elsewhere.
        recipe = resume.recipe
        draws, refitter = parts(truth if components.natural else _read_truth(recipe))
    run = partial(Run, refitter.worker, draws, root)
    return replicated(recipe, n, run, resume, threads=threads, progress=progress, path=path)


def check_kind(kind: str, by: str | None, given: list[str]) -> None:
    """Raise OptionError for options that have no part in a kind of bootstrap.

    Parameters
    ----------
    kind : str
    by : str, optional
    given : list of str
        Names of the options that say what responses are drawn from.
    """
    if kind not in ("parametric", "cases"):
        raise OptionError(f'kind must be "parametric" or "cases", not {kind!r}.')
    if kind == "cases" and given:
        raise OptionError(
            f'{given[0]}= cannot be used with kind="cases": nothing is drawn from the model.'
        )
    if kind == "parametric" and by is not None:
        raise OptionError('by= is for kind="cases", whose levels are drawn.')


def _recipe(
    result: Any,
    components: CovarianceParameters,
    truth: Truth,
    stream_length: int,
    root: np.random.SeedSequence,
    re: str,
    by: str,
) -> Recipe:
    """Write down what the replicates will follow from."""
    design, estimates = result.kept_design(), result.estimates
    weights = design.weights if estimates.linear else None
    units = [np.empty(0)]
    if not components.natural:
        units += [block.column_sizes(weights) for block in design.blocks]
    unknown = np.full(len(truth.beta), np.nan)
    se = np.sqrt(np.diag(estimates.cov_conditional))
    return Recipe(
        model=fingerprint(design, estimates),
        formula=getattr(result.model, "formula_full", result.layout.response),
        entropy=entropy_of(root),
        spawn_key=tuple(int(key) for key in root.spawn_key),
        stream_length=stream_length,
        re=re,
        by=by,
        scale_name=estimates.scale_name,
        fixed_names=tuple(result.layout.columns[i] for i in estimates.columns),
        components=components,
        units=np.concatenate(units),
        truth=ParameterRows.one(
            objective=np.nan,
            scale=truth.scale,
            beta=truth.beta,
            se=unknown,
            theta=_reported(result, components, truth.theta),
        ).values,
        estimate=ParameterRows.one(
            objective=estimates.objective,
            scale=estimates.scale,
            beta=_infinite(result),
            se=se,
            theta=_reported(result, components, estimates.theta),
        ).values,
        several_modes=estimates.several_modes,
    )


def _components(result: Any, theta: Values) -> CovarianceParameters:
    """Return what replicates tell of: factors T where these are given, else what is reported."""
    if theta is None:
        return CovarianceParameters.as_reported(result)
    return CovarianceParameters.of_result(result)


def _reported(result: Any, components: CovarianceParameters, theta: Array) -> Array:
    """Return covariance parameters as replicates have them."""
    estimates = result.estimates
    if not components.natural:
        return theta
    if estimates.structured is not None:
        shown = estimates.structured.values
    else:
        shown = problem_of(result.kept_design(), estimates).reported(theta)
    return np.append(shown, np.nan)


def _infinite(result: Any) -> Array:
    """Return the coefficients, infinite where they have no finite estimate."""
    beta: Array = result.estimates.beta
    if not result.separated:
        return beta
    sign = result.separation.sign
    return np.where(sign != 0, np.copysign(np.inf, sign), beta)


def _read_truth(recipe: Recipe) -> Truth:
    truth = recipe.read(recipe.truth)
    return Truth(truth.beta[0], truth.theta[0], float(truth.scale[0]))
