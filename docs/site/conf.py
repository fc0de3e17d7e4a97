"""Settings of Sphinx, which makes the documentation's site out of the pages that build.py collects."""

import boltzprune

project, author, release = "boltzprune", "the boltzprune authors", boltzprune.__version__
copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
napoleon_google_docstring = False
napoleon_use_param = napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
add_module_names = False
default_role = "literal"
html_theme, html_title, html_static_path, html_css_files = "furo", "boltzprune", ["_static"], ["site.css"]
html_show_sphinx, html_copy_source = False, False
copybutton_exclude = ".linenos, .gp, .go"
