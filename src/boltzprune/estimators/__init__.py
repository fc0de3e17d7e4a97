"""Machines in the style of scikit-learn: fit, prune, retrain, and look at which weights matter.

rbm       PrunedRBM
dbm       PrunedDBM
base      what both have in common
saved     their files
pictures  what `plot` draws
"""
