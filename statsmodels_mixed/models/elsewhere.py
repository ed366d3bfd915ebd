"""Attributes that results and models elsewhere have and those here do not: what to use.

A mixed model has no sum of squares to take apart and no single variance. Asking for such a thing is
an AttributeError, as always, but one that says where the question is answered.
"""

from __future__ import annotations

from ..results.no_attribute import no_attribute
from .linear.results import LinearMixedModelResults

__all__ = ["OF_MODELS", "OF_RESULTS", "no_attribute_of_model", "no_attribute_of_result"]

_PENALTY = (
    "coefficients are not penalized here, but a term such as (0 + x | g) shrinks those of groups"
)
_CONSTRAINT = "t_test and f_test test constraints, and offset= fixes a coefficient at a number"
_R2 = "r2() has the explained variance, with and without random effects"
_ROBUST = 'with_inference(cov_type="cluster", cov_kwds={"groups": column}) has robust errors'
_LR = "anova, compare_lr_test and lrtest compare likelihoods"
_OVERALL = "anova() and wald_test_terms() test terms, anova(smaller) models"

OF_MODELS: dict[str, str] = {
    "formula": "it was made from arrays and has no formula",
    "fit_regularized": _PENALTY,
    "fit_constrained": _CONSTRAINT,
    "fit_map": "there is no prior: fit maximizes the likelihood",
    "fit_vb": "there is no prior: fit maximizes the likelihood",
    "get_distribution": "simulate of a result draws responses",
    **dict.fromkeys(
        ("hessian", "information"),
        "cov_params() of a result inverts the information about coefficients",
    ),
    "freq_weights": "write weights",
    "n_groups": "ranef() of a result has a table for each grouping factor",
    "loglikeobs": "random effects join rows, whose likelihoods do not multiply",
    "score_obs": "random effects join rows, whose likelihoods do not multiply",
}

OF_RESULTS: dict[str, str] = {
    "fit_regularized": _PENALTY,
    "fit_constrained": _CONSTRAINT,
    "get_margeff": "avg_slopes(fit) of the package marginaleffects has average marginal effects",
    "get_robustcov_results": _ROBUST,
    **{f"cov_HC{i}": _ROBUST for i in range(4)},
    **{f"HC{i}_se": _ROBUST for i in range(4)},
    **dict.fromkeys(("rsquared", "rsquared_adj", "prsquared", "pseudo_rsquared"), _R2),
    **dict.fromkeys(("fvalue", "f_pvalue", "llr", "llr_pvalue", "llnull"), _OVERALL),
    "compare_f_test": _LR,
    "compare_lm_test": _LR,
    **dict.fromkeys(
        ("ssr", "ess", "centered_tss", "uncentered_tss", "mse_model", "mse_total"),
        "a mixed model has several variances, which varcorr has, and no sums of squares",
    ),
    "outlier_test": "residuals() and influence() find rows and groups that do not fit",
    "get_prediction_intervals": "get_prediction(...).summary_frame() has them",
    "mse_resid": "the variance depends on the mean; plot_fit(..., vlines=False) of statsmodels and "
    "plot.fitted_lines() draw the fit",
    "vcomp": "varcorr has the variances of all random effects",
    "fe_params": "write params, which are the fixed effects",
    "bse_fe": "write bse, which are the errors of the fixed effects",
    "bse_re": 'conf_int(method="profile") and bootstrap() have intervals of variances',
    "random_effects_cov": "condvar() has the conditional covariances of random effects",
    "condition_number": "vif() finds columns that depend on each other",
    "eigenvals": "vif() finds columns that depend on each other",
    **dict.fromkeys(
        ("resid_pearson", "resid_response", "resid_deviance", "resid_working", "wresid"),
        "residuals(kind) has residuals of each kind",
    ),
    "mle_retvals": "report has what the optimizer did, fitlog what it tried",
    "mle_settings": "report has what the optimizer did, fitlog what it tried",
    **dict.fromkeys(
        ("plot_added_variable", "plot_partial_residuals", "plot_ceres_residuals"),
        "plot.residuals() and plot.simulated_residuals() are against fitted values or a column",
    ),
    # Of lme4 and MixedModels.jl.
    "VarCorr": "write varcorr",
    "rePCA": "write PCA, or re_pca() for principal components of covariances",
    "condVar": "write condvar()",
    "sigma2": "write varest",
    "dof_residual": "write df_resid",
    **dict.fromkeys(("loglikelihood", "logLik"), "write llf"),
    "fnames": "ranef() has a table for each grouping factor",
    "modelmatrix": "write X",
    "response": "write y",
    "formula": "write model.formula",
    **{
        name: f"write model.{name}"
        for name in ("weights", "offset", "link", "endog", "exog", "endog_names", "exog_names")
    },
    "freq_weights": "write model.weights",
    "AIC": "write aic",
    "BIC": "write bic",
    "n_groups": "ranef() has a table for each grouping factor, with a row for each level",
    "hat_matrix_diag": "leverage() and get_influence() have it",
    "resid_studentized": "get_influence() has them",
}


def no_attribute_of_model(model: object, name: str) -> AttributeError:
    """Return the error for an attribute that a model does not have."""
    of_fits = name in ("params", "scale") or hasattr(LinearMixedModelResults, name)
    if of_fits and name not in OF_MODELS:
        return no_attribute(model, name, {name: f"its fit has, write fit().{name}"})
    return no_attribute(model, name, OF_MODELS)


def no_attribute_of_result(result: object, name: str) -> AttributeError:
    """Return the error for an attribute that a result does not have."""
    return no_attribute(result, name, OF_RESULTS)
