"""Which networks of `keras.applications` are read as blueprints at 96 x 96, and how long `lower` takes.

    python -m tools.networks.applications [NAME ...]

Nothing is downloaded: the weights are fresh. A network that is not read is named with the layer; `lower` then reads
what the converter makes of it. Of the others a student space is made, too: what a teacher may be shrunk to.
"""

import inspect
import sys
import time
from collections.abc import Iterator

SIZE = 96


def names() -> list[str]:
    """Return the names of all networks, in order."""
    import keras

    functions = {name: made for name, made in vars(keras.applications).items() if inspect.isfunction(made)}
    return sorted(name for name, made in functions.items() if "weights" in inspect.signature(made).parameters)


def build(name: str, size: int = SIZE):
    """Return one network with fresh weights for images of one size.

    Args:
        name: As in `keras.applications`.
        size: Height and width.
    """
    import keras

    return getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10)


def verdicts(wanted: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each network and whether it was read, or the layer that it was not read for."""
    import keras

    from kd_edge.errors import ModelError
    from kd_edge.ir.lowering import read_blueprint
    from kd_edge.search.space.student_space import StudentSpace

    for name in wanted:
        keras.backend.clear_session()
        model = build(name)
        start = time.perf_counter()
        try:
            graph = read_blueprint(model).to_graph()
        except ModelError as error:
            yield name, f"not read: {str(error).split(': supported')[0]}"
            continue
        seconds = time.perf_counter() - start
        try:
            space = f"{len(StudentSpace.from_teacher(model).choices)} choices"
        except ModelError as error:
            space = f"not shrunk: {str(error).split(': shrinkable')[0].split(': supported')[0]}"
        yield name, f"read in {seconds:.2f} s, {graph.known_macs / 1e6:.1f} M MACs, {len(graph.ops)} ops; {space}"


def main() -> None:
    """Print a line per network."""
    for name, verdict in verdicts(sys.argv[1:] or names()):
        print(f"{name}: {verdict}", flush=True)


if __name__ == "__main__":
    main()
