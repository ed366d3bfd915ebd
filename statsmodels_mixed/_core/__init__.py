"""The only code that touches the C library.

`CoreDesign` is the analysed structure of a model, shared and never written again;
`CoreWorkspace` is where one thread evaluates, minimizes and solves.
"""

from .basis import cholesky_qr, split_by_basis
from .coordinates import TermCoordinates
from .families import ROW_QUANTITIES, family_rows, row_derivatives
from .generalized import VANISHED, CoreGeneralized, GeneralizedSolution
from .memory import available_memory, is_beyond_memory
from .minimizer import Minimization
from .nlopt_api import algorithm_number, algorithms
from .options import FitOptions
from .structure import CoreDesign, TermArrays
from .threads import LARGE_TAIL, blas_threads, one_blas_thread, waiting_for_threads
from .workspace import CoreEstimates, CoreSolution, CoreWorkspace

__all__ = [
    "LARGE_TAIL",
    "ROW_QUANTITIES",
    "VANISHED",
    "CoreDesign",
    "CoreEstimates",
    "CoreGeneralized",
    "CoreSolution",
    "CoreWorkspace",
    "FitOptions",
    "GeneralizedSolution",
    "Minimization",
    "TermArrays",
    "TermCoordinates",
    "algorithm_number",
    "algorithms",
    "available_memory",
    "blas_threads",
    "cholesky_qr",
    "family_rows",
    "is_beyond_memory",
    "one_blas_thread",
    "row_derivatives",
    "split_by_basis",
    "waiting_for_threads",
]
