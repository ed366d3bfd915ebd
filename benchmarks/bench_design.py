"""Stage 2: a formula and a data frame to the arrays of the model."""

from __future__ import annotations

from statsmodels_mixed import parse
from statsmodels_mixed.frame import build_frame
from statsmodels_mixed.frame.design import build_design

# Rows, columns of X, and of every grouping factor the levels and the effects.
SHAPES = {
    "dyestuff": (30, 1, [(6, 1)]),
    "dyestuff2": (30, 1, [(6, 1)]),
    "sleepstudy": (180, 2, [(18, 2)]),
    "penicillin": (144, 1, [(24, 1), (6, 1)]),
    "pastes": (60, 1, [(30, 1), (10, 1)]),
    "machines": (54, 3, [(6, 3)]),
    "55 parameters": (180, 10, [(18, 10)]),
    "chem97": (31022, 2, [(2410, 1), (131, 1)]),
    "insteval": (73421, 28, [(2972, 1), (1128, 1)]),
    "maximal": (1792, 8, [(56, 8), (32, 8)]),
    "crossed 1e5": (100_000, 2, [(5000, 1), (500, 1)]),
    "slopes 1e6": (1_000_000, 2, [(100_000, 2)]),
}


def test_design(benchmark, case):
    formula, data = parse(case.formula), case.frame()

    def run():
        return build_design(build_frame(formula, data, **case.options))

    design = benchmark(run)
    blocks = [(len(block.levels), len(block.names)) for block in design.blocks]
    assert (*design.X.shape, blocks) == SHAPES[case.name]
