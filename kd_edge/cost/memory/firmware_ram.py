"""The RAM that a firmware reserves for a network: the one figure that is held against the limit.

TFLM needs its arena twice: to plan it, when the model is read, and to run. While it plans, lists of all tensors and
buffers lie beside the structures that stay. Networks of many small tensors need more then than they do later. The
larger of both, and a margin for what optimised kernels ask for beyond the reference kernels, is what a firmware has to
reserve.

How the sizes were found: the smallest arena in which the interpreter of the `tflite-micro` wheel (0.dev20261023,
64-bit) starts, by bisection, for 22 networks; the formula is 16 to 32 B above each that
needs more to start than to run. On a microcontroller pointers are
half as large.
"""

from kd_edge.cost.memory.persistent import Layout
from kd_edge.ir.graph import Graph

# Optimised kernels asked for 64 to 672 B more than the reference kernels on a Cortex-M4.
MARGIN_BYTES = 1024
MARGIN_SHARE = 0.05

# Of the planner: what it keeps per buffer, and how many scratch buffers an op may ask for.
_PLANNED_BYTES = 40
_SCRATCH_PER_OP = 12
_ALIGNMENT = 16
# For the gaps that alignment leaves.
_GAP_BYTES = 16


def margin_bytes(needed: int) -> int:
    """Return the margin for optimised kernels: 5 %, at least 1,024 B."""
    return max(MARGIN_BYTES, round(MARGIN_SHARE * needed))


def reserved_bytes(needed: int) -> int:
    """Return what a firmware reserves: what TFLM needs and the margin, rounded up to the arena's alignment.

    Args:
        needed: Bytes that TFLM needs to start and to run.
    """
    return -(-(needed + margin_bytes(needed)) // _ALIGNMENT) * _ALIGNMENT


def starting_bytes(graph: Graph, persistent: int, layout: Layout, *, num_buffers: int, num_scratch: int) -> int:
    """Return the arena that TFLM needs while it plans.

    Args:
        graph: The network.
        persistent: Bytes of the structures that stay.
        layout: Sizes of TFLM's structures.
        num_buffers: How many activations are planned.
        num_scratch: How many scratch buffers are.
    """
    word, num_tensors, num_subgraphs = layout.pointer, len(graph.tensors), 1
    if graph.subgraphs:
        num_tensors = sum(len(part.tensors) for part in graph.all_subgraphs)
        num_subgraphs += len(graph.subgraphs)
    endpoints = (*graph.inputs, *graph.outputs)
    later = (word + layout.tensor) * len(endpoints)
    later += layout.quantization * sum([graph.tensors[index].num_scales > 0 for index in endpoints])
    requests = (word + 8) * (_SCRATCH_PER_OP + num_scratch)
    listed = (2 * word + 16) * (num_tensors + num_scratch) + word * num_subgraphs
    return persistent - later + requests + listed + _PLANNED_BYTES * (num_buffers + num_scratch) + _GAP_BYTES
