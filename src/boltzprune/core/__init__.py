"""The machine and its equations, Fisher information, random numbers: NumPy only, and nothing of a study.

A user of the library meets `machine.BoltzmannMachine`, `machine.energy` (Eqs. 1, 10) and `fisher` first.
"""
