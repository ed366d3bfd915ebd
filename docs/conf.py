"""The documentation as a site: `make site` builds it into build/site, warnings are errors."""

from __future__ import annotations

import inspect
from importlib.metadata import version as version_of
from typing import Any

project = "statsmodels_mixed"
author = "statsmodels_mixed developers"
release = version_of("statsmodels_mixed")
version = release

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
# Names in single backticks are links where the reference has them.
default_role = "py:obj"
nitpicky = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

autodoc_typehints = "none"
autodoc_member_order = "groupwise"
toc_object_entries_show_parents = "hide"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = "statsmodels_mixed"
html_theme_options = {
    "light_css_variables": {"font-size--small": "90%", "api-font-size": "100%"},
}

# What a reader copies is the code, without prompts and outputs.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def is_inherited_from_elsewhere(member: Any) -> bool:
    """Return whether a member of a class comes from another package, which documents it."""
    function = inspect.unwrap(getattr(member, "fget", None) or getattr(member, "func", member))
    module = getattr(function, "__module__", None) or ""
    return not module.startswith("statsmodels_mixed")


def skip_member(
    app: Any, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out of the reference what only statsmodels has to say about."""
    if name == "wrapper" or (not name.startswith("_") and is_inherited_from_elsewhere(member)):
        return True
    return None


def setup(app: Any) -> None:
    """Connect the rule above to Sphinx."""
    app.connect("autodoc-skip-member", skip_member)
