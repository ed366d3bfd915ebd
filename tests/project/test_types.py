"""Type checkers show users the types that they get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from pages import examples

import statsmodels_mixed
from statsmodels_mixed import datasets, mixedglm2, mixedlm2

api = pytest.importorskip("mypy.api", reason="types are checked with the newest versions only")

ROOT = Path(__file__).resolve().parents[2]

# pandas has no types of its own. These stubs are enough to distinguish its classes.
PANDAS = """
from typing import Any
class _Object:
    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, key: Any) -> Any: ...
    def __array__(self) -> Any: ...
class Series(_Object): ...
class DataFrame(_Object): ...
def __getattr__(name: str) -> Any: ...
"""
SETTINGS = """
[mypy]
strict = True
[mypy-statsmodels.*]
ignore_missing_imports = True
[mypy-statsmodels_mixed.*]
follow_imports = silent
"""
TYPES = {
    "fit": "LinearMixedModelResultsWrapper",
    "fit.params": "Series",
    "fit.bse": "Series",
    "fit.tvalues": "Series",
    "fit.pvalues": "Series",
    "fit.fittedvalues": "Series",
    "fit.resid": "Series",
    "fit.conf_int()": "DataFrame",
    "fit.cov_params()": "DataFrame",
    "fit.coeftable()": "DataFrame",
    "fit.ranef()": "LevelTables",
    "fit.summary()": "Document",
    "fit.with_inference(dof='satterthwaite')": "LinearMixedModelResultsWrapper",
    "fit.refit(fit.simulate(1, seed=1))": "LinearMixedModelResultsWrapper",
    "fit.bootstrap(2, seed=1)": "Bootstrap",
    "fit.profile()": "Profile",
    "general": "GeneralizedLinearMixedModelResultsWrapper",
    "general.params": "Series",
    "general.resid_pearson": "Series",
    "general.conf_int()": "DataFrame",
    "general.llf": "float",
}
SCRIPT = """
import statsmodels.api as sm
from statsmodels_mixed import datasets, mixedglm2, mixedlm2

sleep = datasets.load("sleepstudy")
fit = mixedlm2("reaction ~ days + (days | subj)", sleep).fit()
contra = datasets.load("contra")
general = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
"""


@pytest.mark.slow
def test_a_user_script_passes_mypy_strict_and_sees_the_types(tmp_path, monkeypatch):
    stubs = tmp_path / "stubs" / "pandas"
    stubs.mkdir(parents=True)
    (stubs / "__init__.pyi").write_text(PANDAS)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    reveal = "".join(f"reveal_type({expression})\n" for expression in TYPES)
    (tmp_path / "revealed.py").write_text(SCRIPT + reveal)
    readme = examples((ROOT / "README.md").read_text(encoding="utf-8"))
    sources = [one.source for one in readme if not one.is_command]
    (tmp_path / "readme.py").write_text("".join(sources))
    monkeypatch.setenv("MYPYPATH", f"{tmp_path / 'stubs'}:{ROOT}")
    scripts = [str(tmp_path / "readme.py"), str(tmp_path / "revealed.py")]
    out, err, status = api.run(
        ["--config-file", str(tmp_path / "mypy.ini"), "--no-incremental", *scripts]
    )
    assert status == 0, out + err
    notes = [line for line in out.splitlines() if "Revealed type" in line]
    revealed = [line.split('"')[1].split("[")[0].rpartition(".")[2] for line in notes]
    assert revealed == list(TYPES.values())


def test_values_have_the_types_that_are_stated():
    fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    variables = {"fit": fit, "general": fit}
    for expression, name in TYPES.items():
        if expression.startswith("fit"):
            assert type(eval(expression, variables)).__name__ == name, expression


def test_constructors_are_those_of_statsmodels_formula_interface():
    assert mixedlm2 is smf.mixedlm2
    assert mixedglm2 is smf.mixedglm2
    assert {"mixedlm2", "mixedglm2"} <= set(statsmodels_mixed.__all__)
    model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
    assert isinstance(model, statsmodels_mixed.LinearMixedModel)


def test_models_without_labels_give_arrays():
    rows = datasets.load("dyestuff")
    response, groups = rows["yield"].to_numpy(), rows["batch"].to_numpy()
    model = statsmodels_mixed.LinearMixedModel(response, np.ones((30, 1)), groups)
    assert type(model.fit().params) is np.ndarray
    model = statsmodels_mixed.LinearMixedModel(rows["yield"], np.ones((30, 1)), groups)
    assert type(model.fit().params) is pd.Series


def test_version(capsys):
    from statsmodels_mixed.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{statsmodels_mixed.__version__}\n"
    assert f'version = "{statsmodels_mixed.__version__}"' in (ROOT / "pyproject.toml").read_text()
