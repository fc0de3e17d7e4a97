"""Pruning of Boltzmann machines by Fisher information and by the rules it competes with.

After Scholl, Rule & Hennig (2021), "The information theory of developmental pruning",
PLOS Computational Biology 17(10): e1009458.
"""

__version__ = "0.1.0"
