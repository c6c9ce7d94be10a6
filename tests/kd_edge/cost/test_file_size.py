"""The size of the file against the real converter's files."""

from kd_edge.cost.file_size import flash_bytes
from kd_edge.ir.graph import Graph, Op, Tensor


def test_a_constant_takes_its_bytes_aligned_to_16_and_12_per_scale():
    def dense(units: int) -> Graph:
        weights = Tensor((units, 64), constant=True, num_scales=units)
        return Graph(
            (Tensor((1, 64)), weights, Tensor((1, units))), (Op("FULLY_CONNECTED", (0, 1, -1), (2,)),), (0,), (2,)
        )

    assert flash_bytes(dense(10)) - flash_bytes(dense(7)) == 3 * 64 + 3 * 12


def test_names_are_part_of_the_file_but_not_of_the_network():
    graph = Graph((Tensor((1, 4)),), (), (0,), (0,))
    named = graph._replace(name_bytes=100)
    assert graph == named
    assert hash(graph) == hash(named)
    assert flash_bytes(named) == flash_bytes(graph) + 100
