"""One machine at a time: what a study does to many machines in jobs, as functions of arrays, without lists or files.

    training    new_rbm, train_rbm, new_dbm, train_dbm
    activity    observe, sample, encode, log_likelihood, log_z
    pruning     importance, prune
    settings    what these functions have in common: their data, their settings, where they compute

Every function that draws random numbers takes the `seed` of a study, and the `iteration` in which the study would call
it (0 before the first pruning). With the same settings it gives the bits that the study gives. The estimators are made
of these functions.
"""
