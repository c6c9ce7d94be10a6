"""Ends a network in an output for each of several tasks."""

from collections.abc import Mapping
from dataclasses import replace

from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.layers import Node
from kd_edge.ir.layers.core import Dense


def with_heads(blueprint: Blueprint, sizes: Mapping[str, int]) -> Blueprint:
    """Return a network with a dense layer for each output in the place of its last one.

    Args:
        blueprint: Its last node is a dense layer, its output.
        sizes: How many numbers each output has, by its name; none leave the network as it is.
    """
    if not sizes:
        return blueprint
    *trunk, last = blueprint.nodes
    assert isinstance(last.layer, Dense)
    # In the order in which Keras returns a mapping.
    heads = [Node(replace(last.layer, units=sizes[name]), last.inputs) for name in sorted(sizes)]
    places = tuple(range(len(trunk), len(trunk) + len(heads)))
    return Blueprint((*trunk, *heads), places, tuple(sorted(sizes)))
