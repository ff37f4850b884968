"""How the site is built: `make docs`."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from skelgraph.options import constructor  # noqa: E402
from skelgraph.version import __version__  # noqa: E402

project, author = "skelgraph", "The skelgraph authors"
project_copyright = "the skelgraph authors, Apache-2.0"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx-mathjax-offline",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "dollarmath", "attrs_inline"]
myst_heading_anchors = 4
copybutton_exclude = ".linenos, .gp, .go"

napoleon_custom_sections = [("Shapes", "notes_style"), ("Initialisation", "notes_style")]
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
autodoc_mock_imports: list[str] = []

linkcheck_timeout, linkcheck_retries, linkcheck_workers = 20, 2, 8
linkcheck_anchors = False  # pages of publishers write theirs with scripts

html_theme = "furo"
html_title = f"skelgraph {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
pygments_style, pygments_dark_style = "friendly", "monokai"


def without_links_out(app: Any, page: str, source: list[str]) -> None:
    """Links to pages that are none of this site (``tests/golden/README.md``) become plain names."""
    if "/" not in page:  # elsewhere .. is still inside
        source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)\s]*\.md(?:#[^)\s]*)?\)", r"\1", source[0])


def made_with(app: Any, what: str, name: str, cls: Any, options: Any, arguments: str | None, returned: Any) -> Any:
    """Of a class that has a ``__new__`` too, which takes anything, what it is made with."""
    if what != "class" or not (arguments or "").startswith("(*args"):
        return None
    parameters = [one.replace(annotation=one.empty) for one in constructor(cls).parameters.values()]
    return str(inspect.Signature(parameters)), returned


def left_out(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Fields of named tuples, which are among the parameters, say nothing more: "Alias for field number 0"."""
    return True if inspect.isdatadescriptor(member) and (member.__doc__ or "").startswith("Alias for field") else None


def setup(app: Any) -> None:
    """Write the pages that come from the library itself before the pages are read."""
    import reference

    app.connect("builder-inited", lambda app: reference.write(Path(app.srcdir) / "reference"))
    app.connect("source-read", without_links_out)
    app.connect("autodoc-process-signature", made_with)
    app.connect("autodoc-skip-member", left_out)
