"""Kenward and Roger's traces in the parameters of covariance structures.

The sums over pairs of elements of Sigma are carried to parameters by the derivatives of Sigma.
Where Sigma is linear in some (co)variances (us, diag, homdiag, cs, toep) the method is the same in
any parameters. Elsewhere this is its first-order form, without the second derivatives of V, the
option FIRSTORDER of SAS: it too is the same in any parameters, as the term of second derivatives
is not, which can inflate standard errors tenfold where a correlation is close to one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..fitting.covariance_model import CovarianceModel
from ..fitting.estimates import LinearEstimates
from ..fitting.structured_fit import StructuredFit
from ..frame.design import Design
from .kenward_roger_traces import Traces

__all__ = ["in_parameters"]


def in_parameters(
    sums: Traces, design: Design, estimates: LinearEstimates, structured: StructuredFit
) -> Traces:
    """Return the sums with the parameters of the structures in place of elements of Sigma."""
    model = CovarianceModel(design)
    slopes = np.zeros((model.size, len(sums.elements)))
    for part in model.parts:
        first = part.structure.derivatives(structured.phi[part.phi]) / estimates.sigma**2
        start, stop = part.columns.start, part.columns.stop
        for at, element in enumerate(sums.elements):
            if element.block == part.block and start <= element.column and element.row < stop:
                slopes[part.phi, at] = first[:, element.row - start, element.column - start]
    return replace(
        sums,
        first=np.einsum("me,eij->mij", slopes, sums.first),
        second=np.einsum("me,nf,efij->mnij", slopes, slopes, sums.second, optimize=True),
        single=slopes @ sums.single,
        double=slopes @ sums.double @ slopes.T,
    )
