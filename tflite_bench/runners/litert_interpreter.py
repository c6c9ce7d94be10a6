"""LiteRT's interpreter with its reference kernels, wherever it has right ones; for use in a child process."""

import re
from collections.abc import Callable
from typing import Any

from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import has_resources

WRONG_SUM = "compute SUM of int8 and int16 wrongly"
_NO_KERNEL = re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'")


def make_interpreter(model: bytes, resolver: str, num_threads: int = 1) -> Any:
    """Return LiteRT's interpreter of a file, its tensors allocated.

    Args:
        model: Bytes of the file.
        resolver: Name in LiteRT's `OpResolverType`: which kernels it has.
        num_threads: Threads of the kernels.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType[resolver]
    interpreter = Interpreter(model_content=model, num_threads=num_threads, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    return interpreter


def reference_interpreter(model: bytes) -> tuple[Any, str | None]:
    """Return the interpreter as `litert.run_reference` runs it, and its sentence."""
    problem = WRONG_SUM
    if not sums_integers(read_model(model)):
        try:
            return make_interpreter(model, "BUILTIN_REF"), None
        except ValueError as error:
            lacking = _NO_KERNEL.search(str(error))
            if not lacking:
                raise
            problem = f"lack {lacking[1]} of version {lacking[2]}"
    return make_interpreter(model, "BUILTIN_WITHOUT_DEFAULT_DELEGATES"), (
        f"LiteRT's reference kernels {problem}: its optimised kernels were run, whose results may differ in the last "
        "bit from TFLM's and from machine to machine"
    )


def sums_integers(model: ModelInfo) -> bool:
    """Return whether an op of a file adds up integers of 8 or 16 bits.

    LiteRT's reference kernel gives other numbers than their sum where some are negative or the scales differ (LiteRT
    2.3.0); the optimised one and TFLM's give the sum.
    """
    return any(
        op.name == "SUM" and graph.tensors[op.inputs[0]].dtype in ("int8", "int16")
        for graph in model.subgraphs
        for op in graph.ops
    )


def forgotten(interpreter: Any, model: ModelInfo, make: Callable[[], Any]) -> Any:
    """Return an interpreter whose state is that of a new one: LiteRT resets no resource variables.

    Args:
        interpreter: It is used where it can be reset.
        model: What it runs.
        make: Returns a new one.
    """
    if has_resources(model):
        return make()
    interpreter.reset_all_variables()
    return interpreter
