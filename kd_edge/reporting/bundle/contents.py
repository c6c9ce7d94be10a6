"""The files of a bundle: sources, the project around them, and a README."""

from collections.abc import Sequence

from kd_edge.conversion.told_task import outputs_told
from kd_edge.errors import ModelError
from kd_edge.reporting.bundle.network_table import network_rows
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.model_sources import C_TYPES, reads_lines, render_sources
from kd_edge.reporting.bundle.sources.output_sources import output_sources, whole_output
from kd_edge.reporting.bundle.sources.rendering import render
from kd_edge.reporting.bundle.sources.task_source import output_lines, task_values
from kd_edge.reporting.bundle.tolerance import tolerance_of
from kd_edge.reporting.bundle.tool_chains import ToolChain
from kd_edge.reporting.bundle.vectors import Vectors
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model


def read_single(model: bytes, name: str) -> ModelInfo:
    """Return a model that firmware can run, read.

    Args:
        model: Bytes of the `.tflite` file.
        name: What the file is called in an error.

    Raises:
        ModelFileError: The bytes are no usable model.
        ModelError: It has several inputs, several outputs that its metadata do not name, custom operators, or types
            that the sources do not know.
    """
    info = read_model(model, name=name)
    named = len(outputs_told(model)) == len(info.outputs)
    for what, tensors in (("input", info.input_tensors), ("output", info.output_tensors)):
        if len(tensors) != 1 and not (named and what == "output"):
            names = ", ".join(tensor.name for tensor in tensors)
            raise ModelError(f"cannot bundle {name}: expected one {what}, received {len(tensors)} ({names})")
    if custom := sorted({op.name for graph in info.subgraphs for op in graph.ops if op.custom}):
        raise ModelError(f"cannot bundle {name}: expected builtin operators, received the custom {', '.join(custom)}")
    for what, tensor in (("input", info.input_tensors[0]), ("output", whole_output(info))):
        if tensor.dtype not in C_TYPES:
            raise ModelError(f"cannot bundle {name}: expected {', '.join(C_TYPES)} as {what}, received {tensor.dtype}")
    return info


def bundle_contents(
    model: bytes,
    settings: Settings,
    vectors: Vectors,
    chain: ToolChain,
    *,
    name: str,
    about: Sequence[str],
    command: str,
) -> dict[str, bytes]:
    """Return the bytes of every file that does not depend on where the model comes from, by its name.

    Args:
        model: Bytes of the `.tflite` file.
        settings: What firmware has to know of it.
        vectors: Samples and answers.
        chain: The tool chain.
        name: What the README calls the model.
        about: Sentences on it for the README.
        command: Reproduces the bundle.

    Raises:
        ModelError: A number is too large for C, infinite or NaN.
    """
    info = read_model(model)
    source, target = info.input_tensors[0], whole_output(info)
    project = chain.project(render_sources(model, info, settings, vectors, tflm_header=chain.tflm_header))
    readme = render(
        "README.md",
        model_name=name,
        about=about,
        chain=chain,
        place=chain.source_folder,
        settings=settings,
        source=source,
        target=target,
        reads=reads_lines(source, settings),
        answers_with=output_lines(settings),
        tolerance=f"{tolerance_of(target):g}{' of its largest number' if target.dtype == 'float32' else ' step'}",
        num_vectors=len(vectors.inputs),
        vectors_from=vectors.vectors_from,
        vectors_of=vectors.vectors_of,
        network=network_rows(info),
        outputs=output_sources(settings, info),
        command=command,
        **task_values(settings, target),
    )
    texts = {**project, "README.md": readme}
    return {"model.tflite": model} | {file: text.encode() for file, text in texts.items()}
