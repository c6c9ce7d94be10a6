"""The memory of a network on a board: tensor arena, its persistent part, what the firmware reserves.

In: a `Graph`. Out: bytes. Imports `ir`, `cost.kernels`, `errors`.
"""
