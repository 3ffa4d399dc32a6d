"""The configuration of Sphinx. The sources are not this folder: `make site` collects them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import MockFinder

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import course  # noqa: E402
from autograder.notebooks.repository import read_repository  # noqa: E402

project = "Deep learning, one lesson at a time"
author = "The contributors"
copyright = "The contributors. Lessons and texts: CC BY 4.0, code: Apache License 2.0"
version = release = course.__version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# --- texts and notebooks
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # its scripts would come from elsewhere, and no lesson has widgets

# --- formulas: MathJax is served by the site itself, in one file that fetches nothing
_mathjax = find_spec("mathjax")
if _mathjax is None or _mathjax.origin is None:
    raise ImportError("MathJax is missing: pip install '.[site]'")
MATHJAX = Path(_mathjax.origin).parent / "static" / "mathjax" / "es5" / "tex-svg.js"
mathjax_path = MATHJAX.name
mathjax3_config = {"options": {"enableMenu": False}}

# --- the package `course`, read without the large libraries that it imports. They are mocked
# for the whole run, since autodoc looks for the sources of base classes outside of its own mocking.
MOCKED = ["gymnasium", "keras", "sklearn", "statsmodels", "tensorflow", "tensorflow_datasets"]
sys.meta_path.insert(0, MockFinder(MOCKED))

import keras  # noqa: E402 - the mock of it

# What a class of `course` derives from and is decorated with must leave it a class.
keras.Model = type("Model", (), {})
keras.saving = SimpleNamespace(register_keras_serializable=lambda **_: lambda cls: cls)
autodoc_inherit_docstrings = False
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
add_module_names = False
napoleon_numpy_docstring = False

# --- pages
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static", str(MATHJAX)]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
# Without the title, which is the first entry of the contents.
html_sidebars = {"**": ["search-button-field.html", "sbt-sidebar-nav.html"]}
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
}
if (repository := read_repository(ROOT)) is not None:
    html_theme_options |= {
        "repository_branch": repository.branch,
        "repository_url": f"https://github.com/{repository.name}",
        "use_repository_button": True,
    }
pygments_style = "a11y-high-contrast-light"
highlight_language = "none"


def empty_corners(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """A table's empty corner is a cell: as a heading it would be one that says nothing."""
    if "body" in context:
        context["body"] = context["body"].replace('<th class="head"><p></p></th>', "<td></td>")


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("html-page-context", empty_corners)
