"""Private names of TensorFlow 2.21: custom gradients, what a strategy knows of its workers, quantized variables."""

import ctypes
import gc
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


def free_memory() -> None:
    """Collect garbage, graphs and variables of steps that nobody runs any more among it, and trim the heap.

    Of what is free then, GNU's C library keeps much for later unless it is told not to.
    """
    release_traced_graphs()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def release_traced_graphs() -> None:
    """Let graphs with custom gradients go when nobody runs them any more.

    TensorFlow keeps every custom gradient of a graph in a global registry for good, and with it the graph and all
    variables that it reads. Each step of an optimizer has one, the sum of its gradients over the replicas; so has
    `tf.nn.silu`. From here on such a gradient lives as long as its graph.
    """
    from tensorflow.python.framework import ops

    for name, entry in ops.gradient_registry._registry.items():
        gradient = entry["type"]
        if not name.startswith("CustomGradient-") or isinstance(gradient, _OfGraph):
            continue
        graph = _graph_of(gradient)
        if graph is not None:
            entry["type"] = _OfGraph(gradient, graph)


class _OfGraph:
    """A custom gradient that is held by its graph alone."""

    def __init__(self, gradient: Callable[..., Any], graph: Any) -> None:
        self._gradient = weakref.ref(gradient)
        graph.add_to_collection("custom_gradients", gradient)

    def __call__(self, *args: Any) -> Any:
        gradient = self._gradient()
        assert gradient is not None  # only operations of the graph ask for it
        return gradient(*args)


def _graph_of(gradient: Any) -> Any:
    """Return the graph whose tensors a custom gradient was made of; `None` in eager code."""
    import tensorflow as tf

    for wrapped in _closure(gradient):
        for leaf in tf.nest.flatten(_closure(wrapped)):
            if tf.is_symbolic_tensor(leaf):
                return leaf.graph
    return None


def _closure(function: Any) -> list[Any]:
    return [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]


def runs_on_several_workers(strategy: "tf.distribute.Strategy") -> bool:
    """Tell whether a strategy trains on several computers."""
    import tensorflow as tf

    multi_worker = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return multi_worker and bool(strategy.extended._in_multi_worker_mode())


def quantize_variables(converter: Any) -> None:
    """Let a converter that calibrates quantize resource variables, too: what a network keeps from step to step."""
    converter._experimental_variable_quantization = True
