"""THE list of controls: courses of machines that no criterion prunes, for pruned machines to be compared with.

A pruned machine has been trained for more epochs than the one that it began as, so a comparison with that one confuses
pruning with training. Configuration, rules and figures read this list; a control is no criterion, has no row in Table 1
and none of the colours of criteria.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """One row of the list.

    Attributes
    ----------
    label : str
        What the control is called in legends.
    """

    label: str


UNPRUNED = "unpruned"
CONTROLS = {UNPRUNED: Control("Unpruned, trained as long")}
"""Name, in the configuration, in paths and in the column criterion of tables -> control.

unpruned: iteration k is the machine of iteration k - 1 (the initial one for k = 1), retrained with the section and the
stream with which iteration k retrains every pruned machine of that seed.
"""
