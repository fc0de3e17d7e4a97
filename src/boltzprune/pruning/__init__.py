"""Which weights go: the criteria, and the rules by which a saliency per weight becomes a smaller machine.

    criteria      the list: from what one weight layer shows to a saliency per weight
    evidence      what a criterion is shown
    weights       which weights of a layer go
    units         which whole units go, chosen or left leading nowhere
    prune         one pruning: all of that, for a machine of any depth
    ending        how many prunings a machine can have, from the rules alone
    controls      the list of machines that pruned ones are compared with
    own_files     a user's file with a criterion; `faults` has what is said of one that misbehaves

A course is all machines that a criterion, or a control, makes of the initial machine of a seed, iteration by iteration.

When a course ends. A course ends with the first pruning after which a weight layer has no weight
(`BoltzmannMachine.is_empty`). In an RBM that is when the last weight goes, and with it the last hidden unit. In a DBM a
hidden unit without weights on a side goes too (`units.dead_ends`), so that the weight layers run out together: it ends
when no way is left from a visible unit to the top layer, and then neither h1 nor h2 has a unit. Visible units do not
count: they stay, with weights or without. The machines of the iterations before remain results, and the seed has none
of that iteration or of later ones.

A pruning that removes nothing is an iteration like any other: the machine is retrained as it is. The authors' ways to
remove whole units (count, layer) never take the last one, a percentile at which ties stay never takes the last weight,
and the paper's (weights, proportion) take no unit where that is nearest to the fraction. A fraction of the weights by
rank, or at a percentile where ties go, always takes one at least. `ending.ends_at` says how many iterations that makes.
"""
