"""theta <-> T, names, the canonical form and singularity."""

from __future__ import annotations

import numpy as np
import pytest

from statsmodels_mixed.fitting.covariance import (
    canonical,
    factors_of,
    is_singular,
    theta_names,
    theta_of,
)

FULL2, FULL3 = (np.tril(np.ones((k, k), bool)) for k in (2, 3))
DIAGONAL3 = np.eye(3, dtype=bool)
AMALGAMATED = np.zeros((3, 3), bool)  # (1 + x | g) + (0 + w | g)
AMALGAMATED[:2, :2], AMALGAMATED[2, 2] = FULL2, True
INTERLEAVED = np.eye(4, dtype=bool)  # columns 0 and 2 correlated, 1 and 3 correlated
INTERLEAVED[2, 0] = INTERLEAVED[3, 1] = True
PATTERNS = {
    "full": FULL3,
    "diagonal": DIAGONAL3,
    "amalgamated": AMALGAMATED,
    "interleaved": INTERLEAVED,
}


def covariance(factors):
    return [T @ T.T for T in factors]


def test_theta_goes_down_the_columns_block_by_block():
    first, second = factors_of(np.arange(1.0, 10.0), [FULL3, FULL2])
    np.testing.assert_array_equal(first, [[1, 0, 0], [2, 4, 0], [3, 5, 6]])
    np.testing.assert_array_equal(second, [[7, 0], [8, 9]])


def test_elements_that_are_not_free_are_zero():
    (diagonal,) = factors_of(np.array([1.0, 2.0, 3.0]), [DIAGONAL3])
    np.testing.assert_array_equal(diagonal, np.diag([1, 2, 3]))
    (amalgamated,) = factors_of(np.array([1.0, 2.0, 3.0, 4.0]), [AMALGAMATED])
    np.testing.assert_array_equal(amalgamated, [[1, 0, 0], [2, 3, 0], [0, 0, 4]])
    (interleaved,) = factors_of(np.arange(1.0, 7.0), [INTERLEAVED])
    want = [[1, 0, 0, 0], [0, 3, 0, 0], [2, 0, 5, 0], [0, 4, 0, 6]]
    np.testing.assert_array_equal(interleaved, want)


def test_theta_of_is_the_inverse():
    patterns = list(PATTERNS.values())
    size = sum(int(pattern.sum()) for pattern in patterns)
    theta = np.random.default_rng(1).normal(size=size)
    np.testing.assert_array_equal(theta_of(factors_of(theta, patterns), patterns), theta)


def test_no_blocks():
    assert factors_of(np.empty(0), []) == ()
    assert theta_of([], []).shape == (0,)
    assert theta_names([]) == ()
    assert not is_singular([])


def test_names():
    blocks = [("subj", ("Intercept", "days"), FULL2), ("a & b", ("x", "y", "z"), AMALGAMATED)]
    assert theta_names(blocks) == (
        "subj.Intercept",
        "subj.days.Intercept",
        "subj.days",
        "a & b.x",
        "a & b.y.x",
        "a & b.y",
        "a & b.z",
    )


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_canonical_keeps_covariances_and_makes_diagonals_positive(pattern):
    rng = np.random.default_rng(2)
    for _ in range(20):
        factors = factors_of(rng.normal(size=int(pattern.sum())), [pattern])
        (T,) = canonical(factors, [pattern])
        assert np.all(np.diag(T) >= 0)
        assert not np.any(T[~pattern])
        np.testing.assert_allclose(T @ T.T, *covariance(factors), rtol=1e-12, atol=1e-14)
        # a factor of full rank only has its signs changed
        np.testing.assert_array_equal(np.abs(T), np.abs(factors[0]))


def test_canonical_of_canonical_is_itself():
    factors = [np.array([[-1.0, 0.0], [2.0, -3.0]]), np.array([[0.0]])]
    patterns = [FULL2, np.ones((1, 1), bool)]
    once = canonical(factors, patterns)
    for first, second in zip(once, canonical(once, patterns), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(once[0], [[1, 0], [-2, 3]])


def test_canonical_leaves_its_argument_alone_and_makes_no_negative_zeros():
    T = np.array([[-1.0, 0.0], [0.0, -0.0]])
    (out,) = canonical([T], [FULL2])
    np.testing.assert_array_equal(T, [[-1, 0], [0, 0]])
    assert not np.any(np.signbit(out))


def test_a_lost_diagonal_moves_to_the_next_column():
    # column 0 has no diagonal: its variation is all in the second coefficient
    T = np.array([[0.0, 0.0], [3.0, 4.0]])
    (out,) = canonical([T], [FULL2])
    np.testing.assert_allclose(out, [[0, 0], [0, 5]], atol=1e-14)


@pytest.mark.parametrize("zero", [[0], [1], [0, 1], [0, 2], [1, 2]])
def test_singular_factors_get_zero_columns(zero):
    T = np.tril(np.random.default_rng(3).normal(size=(3, 3)))
    T[zero, zero] = 0.0
    (out,) = canonical([T], [FULL3])
    np.testing.assert_allclose(out @ out.T, T @ T.T, atol=1e-13)
    assert np.all(np.diag(out) >= 0)
    for column in np.flatnonzero(np.diag(out) == 0):
        np.testing.assert_array_equal(out[:, column], 0.0)
    # at least as many zero columns as the rank lacks
    lost = 3 - np.linalg.matrix_rank(T, tol=1e-10)
    assert np.count_nonzero(np.diag(out) == 0) >= lost


def test_rotation_stays_within_correlated_columns():
    theta = np.array([0.0, 3.0, 2.0, 5.0, 4.0, 6.0])  # T: [0,0] = 0, [2,0] = 3, [1,1] = 2, ...
    (T,) = factors_of(theta, [INTERLEAVED])
    (out,) = canonical([T], [INTERLEAVED])
    assert not np.any(out[~INTERLEAVED])
    np.testing.assert_allclose(out @ out.T, T @ T.T, atol=1e-13)
    np.testing.assert_array_equal(out[:, 0], 0.0)
    assert out[2, 2] == pytest.approx(5.0)  # sqrt(3^2 + 4^2)


def test_singular_is_judged_by_the_least_direction():
    T = np.array([[1.0, 0.0], [0.0, 1e-7]])
    assert is_singular([T])
    assert not is_singular([T * [[1.0], [1e6]]])
    assert is_singular([np.eye(2), T])
    assert not is_singular([np.eye(2), -np.eye(1)])
    assert is_singular([np.zeros((1, 1))])
    assert is_singular([np.zeros((3, 3))])
    assert not is_singular([T], tolerance=1e-8)
    # No diagonal element is small, but an effect that is their difference has no variance.
    assert is_singular([np.array([[1e-2, 0.0], [1e4, 1e-3]])])
