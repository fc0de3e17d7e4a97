"""The primitives as CUDA kernels. Only `card` imports CuPy."""
