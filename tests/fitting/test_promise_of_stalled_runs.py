"""A run whose steps bring nothing has converged where it promises less than its tolerance."""

from fuzz.relations import check


def test_units_of_a_covariate_do_not_decide_whether_a_fit_converges():
    # x in other units: promise 9e-11 after 300 steps that did not halve it, and 1e-11 after fewer.
    outcome = check(120460)
    assert outcome.counts[0] == "scaled_x"
    assert not [what for what, _ in outcome.failures if "converge" in what]


def test_lower_runs_that_stall_go_on_with_all_digits():
    """The run of a fit to other rows' order stalls in a valley and was taken to fall for ever."""
    outcome = check(1510655)
    # With other digits, those of another BLAS, one of the forms says that it has not converged.
    assert not [what for what, _ in outcome.failures if "converges" not in what]
    assert "estimates within what rounding leaves" not in outcome.counts
