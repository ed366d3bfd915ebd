"""What share of the limits of the machine a fit reaches, in a process of its own.

The evaluation of insteval is beside a product of matrices, the passes over the rows of a large
model beside a sum that reads bytes from memory: all in one process, in turns, least times of the
CPU.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cost.models import SERIES

from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed.fitting.crossprod import Crossproducts, form_crossproducts, linear_structure
from statsmodels_mixed.fitting.fixed_effects.basis import orthonormal_basis
from statsmodels_mixed.frame.design import Design

ROUNDS = 15
ROWS = 1_000_000
MATRIX = 1000
# Beside the factor itself, 1, its inverse takes twice as many operations.
WITH_INVERSE = 3


def least(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the least time of each call, which take turns."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - start)
    return best


def evaluation() -> dict[str, float]:
    """Compare an evaluation of insteval, its gradient included, with a product of matrices."""
    formula = "y ~ 1 + service + (1 | s) + (1 | d)"
    model = mixedlm2(formula, datasets.load("insteval"))
    products = form_crossproducts(model.design)
    products.set_criterion(False, None)
    workspace = products.workspace
    theta = model.fit(reml=False).theta
    a = np.ones((MATRIX, MATRIX))
    found = least(
        {
            "value": lambda: workspace.value(theta),
            "both": lambda: workspace.value_and_gradient(theta),
            "product": lambda: a @ a,
        }
    )
    operations = workspace.design.sizes["factor_operations"]
    product = 2.0 * MATRIX**3 / found["product"]
    return {
        "value": operations / found["value"],
        "both": WITH_INVERSE * operations / found["both"],
        "product": product,
    }


def bytes_of(design: Design) -> int:
    """Return how many bytes the rows of a design have."""
    arrays = [design.X, design.y]
    for block in design.blocks:
        arrays += [block.z, block.refs]
    return sum(array.nbytes for array in arrays)


def passes() -> dict[str, float]:
    """Compare the passes over the rows with a sum."""
    formula, data, _ = SERIES[0].model(ROWS)
    design = mixedlm2(formula, data).design
    structure = linear_structure(design)
    values = np.ones(25_000_000)

    def cross() -> Crossproducts:
        return form_crossproducts(design, structure)

    found = least(
        {
            "basis": lambda: orthonormal_basis(design.X, None),
            "cross-products": cross,
            "sum": values.sum,
        }
    )
    return {
        "basis": design.X.nbytes / found["basis"],
        "cross-products": bytes_of(design) / found["cross-products"],
        "sum": values.nbytes / found["sum"],
    }


def table(rates: dict[str, float], reads: dict[str, float]) -> str:
    """Return what was found as a table in Markdown."""
    lines = [
        ("part", "reached in a second", "the machine", "share"),
        ("---", "---:", "---:", "---:"),
    ]
    for name, text in (("value", "value of insteval"), ("both", "value and gradient of insteval")):
        share = rates[name] / rates["product"]
        reached, limit = (f"{rates[key] / 1e9:.1f} GFlop" for key in (name, "product"))
        lines.append((text, reached, limit, f"{100 * share:.0f} %"))
    for name, text in (
        ("basis", "basis of X, 1e6 rows"),
        ("cross-products", "cross-products, 1e6 rows"),
    ):
        share = reads[name] / reads["sum"]
        reached, limit = (f"{reads[key] / 1e9:.1f} GB" for key in (name, "sum"))
        lines.append((text, reached, limit, f"{100 * share:.0f} %"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(table(evaluation(), passes()) + "\n")
