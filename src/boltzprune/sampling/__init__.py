"""Samples of a machine and what follows from them: Gibbs sampling, enumeration, AIS, statistics."""
