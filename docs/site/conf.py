"""Settings of Sphinx, which makes the documentation's site out of the pages that build.py collects."""

from docutils import nodes
from latex2mathml.converter import convert

import boltzprune

project, author, release = "boltzprune", "the boltzprune authors", boltzprune.__version__
copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "dollarmath"]
napoleon_google_docstring = False
napoleon_use_param = napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
add_module_names = False
default_role = "literal"
html_theme, html_title, html_static_path, html_css_files = "furo", "boltzprune", ["_static"], ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx, html_copy_source = False, False
copybutton_exclude = ".linenos, .gp, .go"


def setup(app):
    """Formulas become MathML, which browsers draw themselves: without a script, and without network."""

    def inline(translator, node):
        translator.body.append(convert(node.astext()))
        raise nodes.SkipNode

    def block(translator, node):
        translator.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
        raise nodes.SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
