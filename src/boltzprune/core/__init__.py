"""The equations on plain arrays: a machine, its random numbers, its learning rules, its Fisher information."""
