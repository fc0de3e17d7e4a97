"""THE list of controls: machines that pruned ones are compared with, to tell what the pruning itself has done.

A pruned machine has been trained for more epochs than the one that it began as, and two things are left of that one:
an architecture, which is its units and weights that are still there, and the values that these weights had when they
were kept. The control unpruned has been trained for as long, without pruning. The controls rewind and scratch have the
architecture alone: they begin as the machine began and are trained for as long, so that what they lack is what the
kept weights are worth (Frankle & Carbin 2019; Liu et al. 2019).

Configuration, rules and figures read this list; a control is no criterion, has no row in Table 1 and none of the
colours of criteria.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """One row of the list.

    Attributes
    ----------
    label : str
        What the control is called in legends.
    anew : bool
        Whether it trains the last architecture of every criterion anew; else it is a course, iteration by iteration,
        of its own.
    other_weights : bool
        Whether it begins with other weights than the machine began with.
    """

    label: str
    anew: bool = False
    other_weights: bool = False


UNPRUNED = "unpruned"
CONTROLS = {
    UNPRUNED: Control("Unpruned, trained as long"),
    "rewind": Control("Rewound: its first weights again", anew=True),
    "scratch": Control("From scratch: other first weights", anew=True, other_weights=True),
}
"""Name, in the configuration, in paths and in tables -> control.

unpruned: iteration k is the machine of iteration k - 1 (the initial one for k = 1), retrained with the section and the
stream with which iteration k retrains every pruned machine of that seed. Its name stands in the column criterion.

rewind, scratch: of each criterion, the units and weights that its last iteration has left, which begin with the biases
and the weights that the initial machine began with (rewind), or with weights drawn anew, the same for all criteria
(scratch). They get the training, and then every retraining, of the pruned machine with the same random numbers, but are
not pruned in between. Their names stand in the column phase, in place of "retrained".
"""
COURSES = tuple(name for name, row in CONTROLS.items() if not row.anew)
ANEW = tuple(name for name, row in CONTROLS.items() if row.anew)
"""Controls by kind."""
