"""Samples of a machine and what follows from them.

`gibbs.sample` draws by Markov chains, `exact` computes by enumeration what a small machine of any depth is (log Z, free
energy, probabilities, statistics, gradient, FIM, independent samples), `ais.ais` estimates log Z of a large one, and
`statistics` takes rates and pair means as a configuration asks for them: `statistics.deep_statistics` for one machine.
"""
