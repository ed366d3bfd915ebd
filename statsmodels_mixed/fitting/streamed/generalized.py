"""Fitting a generalized model whose rows are read in batches, a pass for every step.

It is the fit of `generalized.fit_generalized` by the Laplace approximation: the same start, the
same minimizer, the same objective. What it needs of all rows before is in `StreamedRows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._core import (
    CoreDesign,
    GeneralizedSolution,
    TermArrays,
    TermCoordinates,
    one_blas_thread,
)
from ..._core.streamed import CoreStreamed, RowsOfBatch
from ..._typing import Array
from ...errors import CoreError, DataError, OptionError
from ...frame.design import Design
from ..estimates import GeneralizedEstimates
from ..families.spec import FamilySpec
from ..fixed_effects.basis import FixedBasis, orthonormal_basis, refuse_few_rows
from ..generalized.approximation import Approximation, differenced_gradient, solve_at
from ..generalized.fit import GeneralizedFit, canonical_end, estimates_at
from ..generalized.start import minimize_from, put_parameters, start_at
from ..search.edge_of_range import has_bounded_range
from ..search.optimize import FitOptions
from ..search.warm_start import generalized_theta, inside_dispersion
from .start import FoundStart, StartOfRows

__all__ = ["SolvedStream", "StreamedRows", "check_streamed", "fit_streamed_generalized"]

# Families and links whose conditional modes are unique; see `csrc/src/generalized/modes.c`.
CONCAVE = {
    "binomial": ("logit", "probit", "cloglog", "loglog"),
    "poisson": ("log",),
    "gamma": ("log",),
    "negative_binomial": ("log",),
    "gaussian": ("identity",),
}


@dataclass(frozen=True, eq=False)
class StreamedRows:
    """The rows of a generalized model, read in batches, and what is known of all of them.

    Parameters
    ----------
    batches : callable
        Starts a pass: designs of the rows, with the response as the numerics know it.
    n, batch_rows : int
        Number of rows, and of those of a batch at most.
    weighted : bool
        Whether they have weights.
    X, z : ndarray, tuple of ndarray
        Few rows with the cross-products of all: the triangles of X and of the columns of each
        block.
    pairs : ndarray of int32, shape (m, blocks)
        Levels, in which each pair of levels occurs that occurs in any row.
    """

    batches: Callable[[], Iterator[Design]]
    n: int
    batch_rows: int
    weighted: bool
    X: Array
    z: tuple[Array, ...]
    pairs: NDArray[np.int32]

    def basis(self) -> FixedBasis:
        """Factor X as `working_basis` does; its Q has no rows."""
        unit = orthonormal_basis(self.X, None)
        root = np.sqrt(self.n)
        return FixedBasis(unit.columns, np.empty((0, len(unit.columns))), unit.R / root)

    def structure(self, design: Design, rank: int) -> CoreDesign:
        """Analyse the random effects beside a basis of X."""
        m = len(self.pairs)

        def terms(z: list[Array], refs: NDArray[np.int32]) -> list[TermArrays]:
            return [
                TermArrays(
                    len(block.levels),
                    np.ascontiguousarray(refs[:, at]),
                    columns,
                    block.pattern,
                    None if block.related is None else block.related.lower,
                    block.level_sd,
                )
                for at, (block, columns) in enumerate(zip(design.blocks, z, strict=True))
            ]

        # Mean squares are sums over all rows, and the triangles have fewer.
        like_all = [R * np.sqrt(len(R) / self.n) for R in self.z]
        coordinates = TermCoordinates(terms(like_all, self.pairs[:1]))
        nothing = [np.zeros((m, R.shape[1])) for R in self.z]
        return CoreDesign(terms(nothing, self.pairs), np.zeros((m, rank)), coordinates=coordinates)


@dataclass(frozen=True, eq=False)
class SolvedStream:
    """A model solved at its estimates, which answers without its rows; copied it becomes None.

    Parameters
    ----------
    problem : Approximation
    core : CoreStreamed
        That of the problem.
    solution : GeneralizedSolution
    n : int
        Number of rows.
    """

    problem: Approximation
    core: CoreStreamed
    solution: GeneralizedSolution
    n: int

    @property
    def basis(self) -> FixedBasis:
        """X = Q R of the independent columns, without the rows of Q."""
        return self.problem.basis

    def hessian(self, estimates: GeneralizedEstimates) -> tuple[Array, Array]:
        """Return the Hessian of the objective as `hessian` does, by passes over the rows."""
        # Columns of the basis have mean square 1: so large are linear predictors.
        rounded = float(np.linalg.norm(self.solution.beta)) / np.sqrt(self.n)
        found = differenced_gradient(self.problem, estimates, rounded)
        solve_at(self.problem, estimates)
        return found

    @property
    def passes(self) -> int:
        """How often the core has read the rows."""
        return self.core.passes

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(None), ()


def check_streamed(spec: FamilySpec, design: Design, n_agq: int, options: FitOptions) -> None:
    """Refuse what needs rows in memory.

    Raises
    ------
    OptionError
        With what does.
    """
    if n_agq != 1:
        raise OptionError(
            f"n_agq={n_agq} needs all rows in memory, and these data are read by batches: use "
            "n_agq=1, the Laplace approximation."
        )
    if options.solver == "iterative":
        raise OptionError(
            'solver="iterative" needs all rows in memory, and these data are read by batches.'
        )
    if design.is_structured:
        raise OptionError(
            "covariance structures of a generalized model need all rows in memory, and these data "
            "are read by batches."
        )
    if spec.link not in CONCAVE.get(spec.family, ()) or has_bounded_range(spec):
        possible = "; ".join(f"{name} ({', '.join(links)})" for name, links in CONCAVE.items())
        raise OptionError(
            f"the family {spec.family} with the {spec.link} link needs all rows in memory, and "
            f"these data are read by batches: families and links for these are {possible}."
        )


def fit_streamed_generalized(
    rows: StreamedRows,
    design: Design,
    spec: FamilySpec,
    *,
    fast: bool = False,
    hessian: str = "expected",
    start: Array | None = None,
    coefficients: Array | None = None,
    options: FitOptions | None = None,
) -> tuple[GeneralizedEstimates, SolvedStream]:
    """Fit a generalized linear mixed model to rows that are read in batches.

    Parameters
    ----------
    rows : StreamedRows
    design : Design
        Of any rows; says which blocks there are.
    spec, fast, hessian, start, coefficients, options
        As for `fit_generalized`.

    Returns
    -------
    estimates : GeneralizedEstimates
        Without rows.
    solved : SolvedStream

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If there are too few rows, or no maximum can be reached.
    """
    if hessian not in ("expected", "observed"):
        raise OptionError(f"hessian={hessian!r} is not possible; choose 'expected' or 'observed'.")
    options = options or FitOptions()
    with one_blas_thread():
        problem, begin, found = _prepare(rows, design, spec, fast, hessian)
    if coefficients is not None:
        start_at(problem, begin, coefficients)
    if start is not None:
        put_parameters(problem, begin, start)
        begin = inside_dispersion(spec, np.array([found.mean]), begin)
    try:
        fit = GeneralizedFit(problem, design, spec, 1, hessian, found.unit, design.nobs)
        return _maximize(fit, begin, options)
    except CoreError as error:
        raise DataError(
            f"no maximum of the likelihood of the {spec.family} family with the {spec.link} link "
            f"could be reached ({str(error).rstrip('.')})."
        ) from error


def _prepare(
    rows: StreamedRows, design: Design, spec: FamilySpec, fast: bool, hessian: str
) -> tuple[Approximation, Array, FoundStart]:
    """Return the objective, where it is minimized from, and what that came from."""
    basis = rows.basis()
    refuse_few_rows(rows.n, len(basis.columns), design.x_names)
    structure = rows.structure(design, len(basis.columns))
    coordinates, inverse = structure.coordinates, basis.inverse

    def batches() -> Iterator[RowsOfBatch]:
        for batch in rows.batches():
            yield RowsOfBatch(
                batch.y,
                batch.weights,
                batch.offset,
                batch.X[:, basis.columns] @ inverse,
                [block.refs for block in batch.blocks],
                coordinates.columns_inward([block.z for block in batch.blocks]),
            )

    found = StartOfRows(batches, rows.n, spec).find(len(basis.columns))
    core = CoreStreamed(
        structure,
        spec.family,
        spec.link,
        batches,
        rows=rows.n,
        batch_rows=rows.batch_rows,
        weighted=rows.weighted,
        column_sizes=_column_sizes(rows, design, coordinates),
        row_unit=found.row_unit,
        power=spec.power,
        observed=hessian == "observed",
        fast=fast,
    )
    core.set_unit(found.unit)
    if fast:
        core.set_beta(found.gamma)
    theta = generalized_theta(coordinates, found.unit)
    gamma = found.gamma[: 0 if fast else None]
    problem = Approximation(core, basis, structure.ntheta, fast)
    return problem, np.concatenate([theta, gamma, found.zeta]), found


def _column_sizes(rows: StreamedRows, design: Design, coordinates: TermCoordinates) -> Array:
    """Return the size of what every column of z adds, T being I, in the core's coordinates."""
    sizes = []
    for R, block in zip(coordinates.columns_inward(rows.z), design.blocks, strict=True):
        size = np.sqrt(np.einsum("ij,ij->j", R, R) / rows.n)
        sizes.append(block.level_sd * np.where(size > 0, size, 1.0))
    return np.concatenate(sizes)


def _maximize(
    fit: GeneralizedFit, begin: Array, options: FitOptions
) -> tuple[GeneralizedEstimates, SolvedStream]:
    """Minimize from `begin` and read the estimates off the solved model."""
    core = fit.problem.core
    assert isinstance(core, CoreStreamed)
    end = canonical_end(fit, minimize_from(fit.problem, begin, fit.spec, options))
    solution = core.solution()
    estimates = estimates_at(fit, end, solution, np.empty(0), np.empty(0))
    return estimates, SolvedStream(fit.problem, core, solution, fit.design.nobs)
