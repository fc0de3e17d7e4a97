"""The primitives as loops that Numba compiles. Only modules of this folder import Numba."""
