"""What a file holds: the constants of every subgraph."""

from collections.abc import Callable

from subgraphs import behind_another

from tflite_bench.model.reader import read_model
from tflite_bench.reporting.model_contents import contents_of
from tflite_bench.reporting.tables import model_text


def test_the_constants_of_every_subgraph_count_each_buffer_once(model_bytes: Callable[[str], bytes]) -> None:
    content = model_bytes("residual_int8")
    expected = contents_of(read_model(content)).constant_bytes
    assert expected > 0
    for times in (1, 2):
        assert contents_of(read_model(behind_another(content, times=times))).constant_bytes == expected


def test_the_counts_say_that_they_are_those_of_the_first_subgraph(model_bytes: Callable[[str], bytes]) -> None:
    one = read_model(model_bytes("residual_int8"))
    two = read_model(behind_another(model_bytes("residual_int8")))
    assert f"\n6 operators, {len(one.tensors)} tensors\n" in model_text(one, missing_ops=())
    first = "1 operators, 2 tensors in the first of 2 subgraphs, which the tables show"
    assert f"\n{first}; 7 and {len(one.tensors) + 2} in all\n" in model_text(two, missing_ops=())
