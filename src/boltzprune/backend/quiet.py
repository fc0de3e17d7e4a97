"""Which units mean-field iteration goes on with: what the compiled loops and the GPU kernel for joint training share.

Most units above the first hidden layer hardly move from sweep to sweep. A sweep leaves those out, and once nothing
moves any more, all units are computed to find out whether that is true.
"""

QUIET, RESOLUTION, MOST = 0.03, 1e-8, 1e-6
"""A unit still moves while it changes in a sweep by more than this share of the tolerance, not taken to be less than
the second of these, nor more than the third."""


def quiet_change(tolerance: float) -> float:
    """The largest change of a probability in a sweep that nobody is told of."""
    return min(max(QUIET * tolerance, RESOLUTION), MOST)
