"""The tables of the paper, as CSV, Markdown and LaTeX."""
