"""The boundary to C: checks at the door, ownership, status codes, BLAS."""

from __future__ import annotations

import ctypes
import gc
import weakref
from functools import partial

import numpy as np
import pytest
from core_models import GROUPS, ONE, REPEATS, asking, balanced, crossed, one_way

from statsmodels_mixed._core import (
    CoreDesign,
    CoreWorkspace,
    TermArrays,
    blas,
    structure,
    workspace,
)
from statsmodels_mixed.errors import CoreError

FULL2 = np.tril(np.ones((2, 2), bool))

# --- at the door


def test_wrong_shapes_of_a_design():
    n = 6
    refs, z, X = np.zeros(n, np.int32), np.ones((n, 1)), np.ones((n, 1))
    good = TermArrays(1, refs, z, ONE)
    CoreDesign([good], X)
    for bad in (
        TermArrays(1, refs[1:], z, ONE),
        TermArrays(1, refs[:, None], z, ONE),
        TermArrays(1, refs, z[1:], ONE),
        TermArrays(1, refs, z, FULL2),
        TermArrays(1, refs, z, ONE[0]),
    ):
        with pytest.raises(CoreError, match="shape"):
            CoreDesign([bad], X)
        with pytest.raises(CoreError, match="shape"):
            CoreDesign([good, bad], X)
    with pytest.raises(CoreError, match="shape"):
        CoreDesign([good], np.ones((n + 1, 1)))


@pytest.mark.parametrize(
    "term",
    [
        TermArrays(1, np.array([0, 0, 1], np.int32), np.ones((3, 1)), ONE),
        TermArrays(2, np.array([0, -1, 1], np.int32), np.ones((3, 1)), ONE),
        TermArrays(0, np.zeros(3, np.int32), np.ones((3, 1)), ONE),
        TermArrays(1, np.zeros(3, np.int32), np.ones((3, 0)), np.ones((0, 0), bool)),
        TermArrays(1, np.zeros(3, np.int32), np.ones((3, 2)), np.ones((2, 2), bool)),
        TermArrays(1, np.zeros(3, np.int32), np.ones((3, 2)), np.tril(FULL2, -1)),
    ],
    ids=["ref too large", "ref negative", "no levels", "no columns", "upper", "no diagonal"],
)
def test_impossible_terms(term):
    with pytest.raises(CoreError, match="out of range"):
        CoreDesign([term], np.ones((3, 1)))


def test_no_terms_and_no_rows():
    with pytest.raises(CoreError, match="out of range"):
        CoreDesign([], np.ones((3, 1)))
    with pytest.raises(CoreError, match="out of range"):
        CoreDesign([TermArrays(1, np.zeros(0, np.int32), np.ones((0, 1)), ONE)], np.ones((0, 1)))


def test_wrong_shapes_of_a_workspace():
    design, y = one_way(), balanced()
    for bad in (y[1:], y[:, None], np.append(y, 0.0)):
        with pytest.raises(CoreError, match="y has shape"):
            CoreWorkspace(design, bad)
        with pytest.raises(CoreError, match="weights has shape"):
            CoreWorkspace(design, y, bad)
    ws = CoreWorkspace(design, y)
    with pytest.raises(CoreError, match="y has shape"):
        ws.set_response(y[1:])
    minimize = partial(ws.minimize, options=asking())
    for theta in (np.ones(0), np.ones(2), np.ones((1, 1))):
        for method in (ws.value, ws.value_and_gradient, minimize):
            with pytest.raises(CoreError, match="theta has shape"):
                method(theta)


def test_levels_for_joint_covariances():
    design, y = crossed()
    ws = CoreWorkspace(design, y)
    levels = np.array([[3, -1], [29, 19], [0, 0]])
    with pytest.raises(CoreError, match="before"):
        ws.level_covariances(levels)
    ws.value_and_gradient(np.ones(6))
    joint = ws.level_covariances(levels)
    first, second = ws.condvar()
    np.testing.assert_allclose(joint[:, :2, :2], first[levels[:, 0]], rtol=1e-12)
    np.testing.assert_allclose(joint[1:, 2:, 2:], second[levels[1:, 1]], rtol=1e-12)
    np.testing.assert_array_equal(joint[0, 2:], 0.0)
    assert ws.level_covariances(levels[:0]).shape == (0, 4, 4)
    swapped = np.asfortranarray(levels.astype(np.int16))
    np.testing.assert_array_equal(ws.level_covariances(swapped), joint)
    for bad in (levels[:, :1], levels[0], levels[None]):
        with pytest.raises(CoreError, match="levels has shape"):
            ws.level_covariances(bad)
    for level in (-2, 30):
        with pytest.raises(CoreError, match="out of range"):
            ws.level_covariances(np.array([[level, 0]]))
    with pytest.raises(CoreError, match="do not fit 32-bit"):
        ws.level_covariances(levels + 2**40)
    slopes = ws.mode_slopes()
    assert [part.shape for part in slopes] == [(30, 2, 2), (20, 2, 2)]


def test_any_dtype_and_layout_is_taken():
    design, y = crossed()
    want = CoreWorkspace(design, y).value_and_gradient(np.ones(6))
    n = len(y)
    terms = []
    lent = [kept for kept in design._keep if len(kept) == 3]
    for levels, (refs, z, pattern) in zip((30, 20), lent, strict=True):
        spread = np.zeros((n, 4))
        spread[:, ::2] = z
        terms.append(
            TermArrays(levels, refs.astype(np.int64), spread[:, ::2], np.asfortranarray(pattern))
        )
    X = np.asfortranarray(design.X)
    weights = np.ones(n, dtype=np.float32)
    got = CoreWorkspace(CoreDesign(terms, X), np.repeat(y, 2)[::2], weights)
    value, gradient = got.value_and_gradient([1] * 6)
    assert value == pytest.approx(want[0], rel=1e-14)
    np.testing.assert_allclose(gradient, want[1], rtol=1e-12)


# --- ownership


def test_lent_arrays_live_as_long_as_the_design():
    n = 40
    refs, z, X = np.arange(n, dtype=np.int32) % 4, np.ones((n, 1)), np.ones((n, 1))
    lent = [weakref.ref(array) for array in (refs, z, X)]
    y = np.arange(n, dtype=float)
    ws = CoreWorkspace(CoreDesign([TermArrays(4, refs, z, ONE)], X), y)
    want = ws.value_and_gradient(np.ones(1))[0]
    del refs, z, X
    gc.collect()
    assert all(array() is not None for array in lent)
    assert ws.value_and_gradient(np.ones(1))[0] == want
    ws.set_response(y)  # reads refs, z and X again
    ws.value_and_gradient(np.ones(1))
    assert ws.leverage().shape == (n,)
    del ws
    gc.collect()
    assert all(array() is None for array in lent)


def test_temporaries_are_safe():
    """Copies made at the door are kept too; freed memory is overwritten at once."""
    rng = np.random.default_rng(3)
    n = 2000
    refs, z = rng.integers(50, size=n), rng.normal(size=(n, 4))
    y, weights = rng.normal(size=n), rng.uniform(0.5, 2, size=n)
    values = []
    for _ in range(2):
        terms = [TermArrays(50, refs.astype(np.int64), z[:, ::2], FULL2)]
        ws = CoreWorkspace(CoreDesign(terms, z[:, 1::2]), y * 1.0, weights.astype(np.float32))
        del terms
        gc.collect()
        rubbish = [np.full((n, 2), np.nan) for _ in range(20)]
        ws.set_response(y)
        values.append((ws.value_and_gradient(np.ones(3))[0], ws.leverage().sum()))
        del rubbish
    assert values[0] == values[1]
    assert np.all(np.isfinite(values[0]))


def test_a_workspace_is_freed_before_its_design(monkeypatch):
    freed = []

    class Watched:
        def __getattr__(self, name):
            return getattr(real, name)

        def smm_design_destroy(self, handle):
            freed.append("design")
            real.smm_design_destroy(handle)

        def smm_workspace_destroy(self, handle):
            freed.append("workspace")
            real.smm_workspace_destroy(handle)

    watched, real = Watched(), workspace.lib
    monkeypatch.setattr(structure, "lib", watched)
    monkeypatch.setattr(workspace, "lib", watched)
    ws = CoreWorkspace(one_way(), balanced())  # the only reference to the design
    del ws
    gc.collect()
    assert freed == ["workspace", "design"]


# --- status codes


def test_calls_out_of_order():
    ws = CoreWorkspace(one_way(), balanced())
    for call in (ws.gradient, ws.curvature, ws.solution, ws.condvar, ws.leverage):
        with pytest.raises(CoreError, match="before the step it depends on"):
            call()
    ws.value(np.ones(1))
    for call in (ws.curvature, ws.solution, ws.condvar, ws.leverage):
        with pytest.raises(CoreError, match="before the step it depends on"):
            call()
    ws.gradient()
    ws.solution()
    # another criterion or response is another problem
    for change in (lambda: ws.set_criterion(True), lambda: ws.set_response(balanced(2))):
        ws.value_and_gradient(np.ones(1))
        change()
        with pytest.raises(CoreError, match="before the step it depends on"):
            ws.solution()


def test_values_that_are_no_numbers():
    design, y = one_way(), balanced()
    for bad in (np.nan, np.inf):
        broken = y.copy()
        broken[3] = bad
        with pytest.raises(CoreError, match="NaN or an infinity"):
            CoreWorkspace(design, broken)
        with pytest.raises(CoreError, match="NaN or an infinity"):
            CoreWorkspace(design, y, np.abs(broken))
        ws = CoreWorkspace(design, y)
        with pytest.raises(CoreError, match="NaN or an infinity"):
            ws.minimize([bad], asking())
        assert np.isnan(ws.value([bad]))
        value, gradient = ws.value_and_gradient([bad])
        assert np.isnan(value)
        assert np.all(np.isnan(gradient))
        assert np.isfinite(ws.value([1.0]))


def test_impossible_weights_and_criteria():
    design, y = one_way(), balanced()
    with pytest.raises(CoreError, match="out of range"):
        CoreWorkspace(design, y, np.where(np.arange(len(y)) == 7, -1.0, 1.0))
    with pytest.raises(CoreError, match="NaN or an infinity"):
        CoreWorkspace(design, y, np.zeros_like(y))
    ws = CoreWorkspace(design, y)
    for sigma in (-1.0, np.nan, np.inf):
        with pytest.raises(CoreError, match="out of range"):
            ws.set_criterion(False, sigma)
    square = CoreDesign([TermArrays(1, np.zeros(2, np.int32), np.ones((2, 1)), ONE)], np.eye(2))
    with pytest.raises(CoreError, match="out of range"):
        CoreWorkspace(square, np.array([1.0, 2.0])).set_criterion(True)


def test_a_constant_response_cannot_be_evaluated():
    ws = CoreWorkspace(one_way(), np.zeros(GROUPS * REPEATS))
    assert np.isnan(ws.value([1.0]))
    with pytest.raises(CoreError):
        ws.minimize([1.0], asking())


def test_singular_X_is_refused():
    n = GROUPS * REPEATS
    refs = np.arange(GROUPS, dtype=np.int32).repeat(REPEATS)
    design = CoreDesign([TermArrays(GROUPS, refs, np.ones((n, 1)), ONE)], np.zeros((n, 1)))
    assert np.isnan(CoreWorkspace(design, balanced()).value([1.0]))


def test_sizes():
    design, _ = crossed()
    sizes = design.sizes
    assert (sizes["n"], sizes["p"], sizes["q"]) == (400, 2, 100)
    assert (sizes["nterms"], sizes["ntheta"], sizes["nodes"]) == (2, 6, 50)
    assert sizes["head_nodes"] >= 30


# --- BLAS


def test_wide_integers_are_refused():
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    for signature in (b"void (char *, int64_t *, d *)", b"void (char *, long *, d *)"):
        with pytest.raises(CoreError, match="not 32 bits wide"):
            blas._address({"dpotrf": new(1, signature, None)}, "dpotrf")
    assert blas._address({"dpotrf": new(64, b"void (char *, int *)", None)}, "dpotrf") == 64


def test_the_table_is_complete_and_made_once():
    table = blas.blas_table()
    assert table is blas.blas_table()
    assert table.int_bytes == 4
