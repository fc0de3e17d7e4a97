"""S2 Figure A: Figure 3 without the digits, all criteria after all iterations."""

from boltzprune.report.figures import fig3


def panels(inputs):
    """Tidy tables of panels A (encoding error), B (units, weights of each layer), C (pixels)."""
    tables = fig3.panels(inputs)
    return {name: tables[same] for name, same in (("a.csv", "b.csv"), ("b.csv", "c.csv"), ("c.csv", "d.csv"))}


def draw(panels, look):
    """The figure, from the tables."""
    return fig3.draw(panels, look)
