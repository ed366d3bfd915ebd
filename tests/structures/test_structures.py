"""Every covariance structure alone: values against formulas, derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma, kv

from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.structures import (
    Matern,
    Relative,
    Structure,
    Unconstrained,
    known,
    make,
    register,
    whole_steps,
)

TIMES = np.array([0.0, 1.0, 2.0, 4.0])
PLACES = np.array([[0.0, 0.0], [1.0, 0.5], [2.5, 1.0], [0.3, 3.0]])
CASES = [
    ("us", {}, None),
    ("diag", {}, None),
    ("diag", {"hom": True}, None),
    ("homdiag", {}, None),
    ("cs", {}, None),
    ("hcs", {}, None),
    ("ar1", {}, TIMES),
    ("ar1", {"nugget": True}, TIMES),
    ("har1", {}, TIMES),
    ("toep", {}, TIMES),
    ("htoep", {}, TIMES),
    ("ad", {}, TIMES),
    ("had", {}, TIMES),
    ("arma", {}, TIMES),
    ("arma", {"p": 2, "q": 0}, TIMES),
    ("arma", {"p": 0, "q": 2}, TIMES),
    ("arma", {"p": 2, "q": 2, "nugget": True, "hom": False}, TIMES),
    ("ou", {}, TIMES),
    ("exp", {}, PLACES),
    ("exp", {"nugget": True, "hom": False}, PLACES),
    ("gau", {}, PLACES),
    ("mat", {}, PLACES),
    ("mat", {"nugget": True}, PLACES),
    ("ratio", {}, PLACES),
    ("spher", {}, PLACES),
    ("rr", {"d": 1}, None),
    ("rr", {}, None),
]


def bound(name, options, positions) -> Structure:
    return make(name, **options).bind(["a", "b", "c", "d"], positions)


def somewhere(structure: Structure, seed: int = 1):
    """Free coordinates in general position near the start."""
    free = Unconstrained(structure)
    rng = np.random.default_rng(seed)
    return free, free.x(free.start) + 0.3 * rng.normal(size=free.size)


def differences(function, x, h=1e-3):
    """Derivatives by central differences of sixth order."""
    out = []
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = h
        at = [function(x + m * step) for m in (1, -1, 2, -2, 3, -3)]
        d = 45 * (at[0] - at[1]) - 9 * (at[2] - at[3]) + (at[4] - at[5])
        out.append(d / (60 * h))
    return np.array(out).reshape(len(x), *np.shape(function(x)))


def test_every_kind_is_here():
    names = "us diag homdiag cs hcs ar1 har1 toep htoep ad had arma ou exp gau mat ratio spher rr"
    assert {name for name, _, _ in CASES} == set(names.split()) <= set(known())


@pytest.mark.parametrize(("name", "options", "positions"), CASES)
def test_derivatives(name, options, positions):
    structure = bound(name, options, positions)
    free, x = somewhere(structure)
    np.testing.assert_allclose(
        free.derivatives(x), differences(free.sigma, x), rtol=1e-8, atol=1e-9
    )
    np.testing.assert_allclose(
        free.second_derivatives(x), differences(free.derivatives, x), rtol=1e-8, atol=1e-9
    )
    phi = free.phi(x)
    np.testing.assert_allclose(
        structure.natural(phi).jacobian,
        differences(lambda other: structure.natural(other).values, phi).T,
        rtol=1e-7,
        atol=1e-8,
    )
    np.testing.assert_allclose(free.x(phi), x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "options", "positions"), CASES)
def test_positive_definite_inside_the_bounds(name, options, positions):
    structure = bound(name, options, positions)
    for seed in range(20):
        free, x = somewhere(structure, seed)
        sigma = free.sigma(3.0 * x)
        assert sigma == pytest.approx(sigma.T, abs=1e-14)
        least = np.linalg.eigvalsh(sigma)[0]
        assert least > -1e-13 * np.trace(sigma)


@pytest.mark.parametrize(("name", "options", "positions"), CASES)
def test_relative_form_has_a_one_in_its_corner(name, options, positions):
    whole = bound(name, options, positions)
    relative = Relative(whole)
    relative.prepare()
    free, x = somewhere(whole)
    phi = free.phi(x)
    scale, psi = relative.split(phi)
    assert relative.sigma(psi)[0, 0] == pytest.approx(1.0, rel=1e-13)
    np.testing.assert_allclose(scale**2 * relative.sigma(psi), whole.sigma(phi), rtol=1e-12)
    np.testing.assert_allclose(
        relative.derivatives(psi), differences(relative.sigma, psi), rtol=1e-8, atol=1e-9
    )
    assert relative.second_derivatives(psi).shape == (len(psi), len(psi), 4, 4)


@pytest.mark.parametrize(("name", "options", "positions"), CASES)
def test_rescaled_coordinates(name, options, positions):
    free, x = somewhere(bound(name, options, positions))
    np.testing.assert_allclose(free.sigma(free.rescaled(x, 3.0)), 9.0 * free.sigma(x), rtol=1e-12)


@pytest.mark.parametrize(("name", "options", "positions"), CASES)
def test_coordinates_stay_within_the_bounds(name, options, positions):
    """Of either sign only where Sigma does not change with it."""
    structure = bound(name, options, positions)
    for seed in range(5):
        free, x = somewhere(structure, seed)
        phi = free.phi(-4.0 * x)
        even = list(structure.read().even_scales)
        other = phi.copy()
        other[even] *= -1.0
        np.testing.assert_array_equal(structure.sigma(other), structure.sigma(phi))
        low, high = np.asarray(structure.read().bounds, float).T
        kept = np.delete(np.arange(len(phi)), even)
        assert (low[kept] <= phi[kept]).all() and (phi[kept] <= high[kept]).all()


def test_values_of_the_kinds():
    """The formulas in Pinheiro and Bates (2000), section 5.3, and the manual of glmmTMB."""
    d = np.abs(TIMES[:, None] - TIMES[None, :])
    ones = np.eye(4)

    def of(name, phi, **options):
        return bound(name, options, TIMES).sigma(phi)

    np.testing.assert_allclose(of("cs", [2.0, 0.4]), 4 * (0.4 + 0.6 * ones))
    np.testing.assert_allclose(of("ar1", [2.0, -0.4]), 4 * (-0.4) ** d)
    sd = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(of("har1", [*sd, 0.4]), np.outer(sd, sd) * 0.4**d)
    np.testing.assert_allclose(of("ou", [2.0, 0.7]), 4 * np.exp(-0.7 * d))
    np.testing.assert_allclose(of("exp", [2.0, 0.7]), 4 * np.exp(-d / 0.7))
    np.testing.assert_allclose(of("gau", [2.0, 0.7]), 4 * np.exp(-((d / 0.7) ** 2)))
    np.testing.assert_allclose(of("ratio", [2.0, 0.7]), 4 / (1 + (d / 0.7) ** 2))
    x = np.minimum(d / 3.0, 1.0)
    np.testing.assert_allclose(of("spher", [2.0, 3.0]), 4 * (1 - 1.5 * x + 0.5 * x**3))
    shared = 4 * (0.8 * np.exp(-d / 0.7) + 0.2 * ones)
    np.testing.assert_allclose(of("exp", [2.0, 0.7, 0.2], nugget=True), shared)
    away = d[0, 1:] / 1.7
    matern = 2**-0.3 / gamma(1.3) * away**1.3 * kv(1.3, away)
    np.testing.assert_allclose(of("mat", [1.0, 1.7, 1.3])[0], [1.0, *matern], rtol=1e-12)
    had = of("had", [*sd, 0.5, 0.2, -0.3])
    assert had[0, 3] == pytest.approx(4 * 0.5 * 0.2 * -0.3)
    np.testing.assert_allclose(of("rr", [1.0, 2.0, 3.0, 4.0], d=1), np.outer(sd, sd))


@pytest.mark.parametrize("nu", [0.005, 0.02, 0.3, 1.0, 2.5, 8.0, 30.0])
def test_matern_by_bessel_functions(nu):
    d = np.concatenate([np.geomspace(1e-6, 1.0, 40), np.linspace(1.0, 80.0, 40)])
    value, slopes, _ = Matern().of_distance(d, np.array([1.7, nu]))
    x = d / 1.7
    factor = 2.0 ** (1.0 - nu) / gamma(nu)
    assert value == pytest.approx(np.minimum(factor * x**nu * kv(nu, x), 1.0), rel=1e-10, abs=1e-15)
    # d/dx x^nu K_nu = -x^nu K_(nu - 1)
    slope = factor * x ** (nu + 1.0) * kv(nu - 1.0, x) / 1.7
    assert slopes[0] == pytest.approx(slope, rel=1e-9, abs=1e-15)


def test_matern_near_zero_is_a_power():
    """1 - r(x) = Gamma(1 - nu) / Gamma(1 + nu) (x / 2)^(2 nu) but for terms in x^2."""
    x, nu = np.array([1e-150, 1e-40, 1e-13, 1e-9]), 0.0186
    away = gamma(1.0 - nu) / gamma(1.0 + nu) * (x / 2.0) ** (2.0 * nu)
    value, slopes, _ = Matern().of_distance(x, np.array([1.0, nu]))
    assert value == pytest.approx(1.0 - away, rel=1e-11)
    assert slopes[0] == pytest.approx(2.0 * nu * away, rel=1e-10)


def test_matern_of_half_integers_is_elementary():
    for nu, f in ((0.5, lambda x: np.exp(-x)), (1.5, lambda x: (1 + x) * np.exp(-x))):
        d = np.array([0.0, 1e-9, 1e-4, 0.1, 1.0, 30.0])
        sigma = make("mat").bind("abcdef", d).sigma([1.0, 1.0, nu])
        np.testing.assert_allclose(sigma[0], f(d), rtol=1e-11)


def test_toeplitz_is_any_toeplitz_matrix():
    """Partial autocorrelations of rho = (0.5, 0.1, 0.3), by regression."""
    lags = np.abs(np.subtract.outer(range(4), range(4)))
    rho = np.array([1.0, 0.5, 0.1, 0.3])
    R = rho[lags]
    partial = [np.linalg.solve(R[:m, :m], R[1 : m + 1, 0])[-1] for m in (1, 2, 3)]
    toep = bound("toep", {}, TIMES)
    np.testing.assert_allclose(toep.sigma([1.0, *partial]), R, atol=1e-14)
    natural = toep.natural([1.0, *partial])
    assert natural.names == ("sd", "rho[1]", "rho[2]", "rho[3]")
    np.testing.assert_allclose(natural.values, rho, atol=1e-14)


def test_arma_has_the_covariances_of_the_process():
    """Against the moving average of infinite order, cut off where nothing is left."""
    arma = bound("arma", {"p": 2, "q": 2}, TIMES)
    natural = arma.natural([1.0, 0.6, -0.3, 0.2, 0.4])
    ar, ma = natural.values[1:3], np.array([1.0, *natural.values[3:]])
    weights = np.zeros(400)
    for j in range(400):
        weights[j] = ma[j] if j < 3 else 0.0
        weights[j] += sum(ar[i] * weights[j - 1 - i] for i in range(2) if j > i)
    gamma_h = np.array([weights[: 400 - h] @ weights[h:] for h in range(5)])
    lags = np.abs(np.subtract.outer(TIMES, TIMES)).astype(int)
    np.testing.assert_allclose(
        arma.sigma([1.0, 0.6, -0.3, 0.2, 0.4]), (gamma_h / gamma_h[0])[lags], rtol=1e-12
    )


def test_bounds_of_compound_symmetry_are_those_of_positive_definiteness():
    cs = make("cs").bind("abcd")
    assert cs.parameters(4).bounds[1] == (-1 / 3, 1.0)
    assert np.linalg.eigvalsh(cs.sigma([1.0, -1 / 3]))[0] == pytest.approx(0.0, abs=1e-15)


def test_whole_steps():
    np.testing.assert_array_equal(whole_steps([8, 10, 14, 10]), [0, 1, 3, 1])
    np.testing.assert_array_equal(whole_steps([0.1, 0.2, 0.3, 0.7]), [0, 1, 2, 6])
    np.testing.assert_array_equal(whole_steps([5.0]), [0])
    with pytest.raises(OptionError, match="ou"):
        whole_steps([0.0, 1.0, np.pi])


def test_at_other_places():
    near = make("exp").bind("abc", [0.0, 1.0, 2.0]).at([0.0, 0.5])
    np.testing.assert_allclose(near.sigma([1.0, 2.0])[0, 1], np.exp(-0.25))
    with pytest.raises(OptionError, match="hom=True"):
        make("har1").bind("abc").at([0.0, 3.0])
    with pytest.raises(OptionError, match="not in the data"):
        make("us").bind("abc").at([0.0, 3.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make("ar2"), "no covariance structure ar2"),
        (lambda: make("ar1", homo=True), "no option homo="),
        (lambda: make("us", hom=True), "it has no options"),
        (lambda: make("ar1", hom=1), "True or False"),
        (lambda: make("rr", d=0), "whole number"),
        (lambda: make("rr", d=3).bind("ab"), "more dimensions"),
        (lambda: make("arma", p=0, q=0), "above zero"),
        (lambda: make("arma", p=1.5), "whole number"),
        (lambda: make("cs").bind("a"), "at least two"),
        (lambda: make("ar1").bind("ab", [0.0, 0.5]), "ou"),
        (lambda: register(int), "subclass of Structure"),
    ],
)
def test_what_is_not_possible_is_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()


def test_a_structure_of_the_user():
    @register
    class Walk(Structure):
        """A random walk: covariances s^2 min(i, j)."""

        name = "walk"
        needs = "order"

        def parameters(self, k):
            return ["sd"], [1.0], [(0.0, np.inf)]

        def sigma(self, phi):
            at = np.arange(1.0, self.k + 1)
            return phi[0] ** 2 * np.minimum.outer(at, at)

        def derivatives(self, phi):
            return 2 * self.sigma(phi)[None] / phi[0]

        def second_derivatives(self, phi):
            return 2 * self.sigma(phi)[None, None] / phi[0] ** 2

    free, x = somewhere(make("walk").bind("abc"))
    np.testing.assert_allclose(free.derivatives(x), differences(free.sigma, x), rtol=1e-8)
    np.testing.assert_allclose(
        free.second_derivatives(x), differences(free.derivatives, x), rtol=1e-8
    )


@pytest.mark.parametrize("name", ["exp", "gau", "ratio", "spher"])
def test_ranges_near_zero_have_no_correlation_and_no_slope(name):
    structure = bound(name, {}, TIMES)
    for x in (-150.0, -500.0, -744.0):
        free = Unconstrained(structure)
        at = np.array([1.0, x])
        assert free.sigma(at) == pytest.approx(np.eye(4))
        assert free.derivatives(at)[1] == pytest.approx(np.zeros((4, 4)))
        assert free.second_derivatives(at)[1] == pytest.approx(np.zeros((2, 4, 4)))
