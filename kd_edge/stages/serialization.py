"""Results as JSON data, and back into the classes that they came from."""

from typing import Any, TypeVar

import cattrs
from cattrs.cols import is_namedtuple, namedtuple_dict_structure_factory

from kd_edge.cost.model import Cost, UntimedCost
from kd_edge.ir.blueprint import Blueprint
from tflite_bench.reporting.envelope import to_plain

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")


def from_plain(cls: type[T], plain: Any) -> T:
    """Return a result from what `to_plain` made of it.

    Args:
        cls: The result's class.
        plain: JSON data.

    Raises:
        Exception: The data is not that of such a result; which one, depends on what is wrong with it.
    """
    return _CONVERTER.structure(plain, cls)


def _cost(plain: Any, _: Any) -> Any:
    timed = plain["latency_ms"] is not None
    return _CONVERTER.structure(plain, Cost if timed else UntimedCost)


def _named_tuple(cls: type, converter: cattrs.Converter) -> Any:
    return namedtuple_dict_structure_factory(cls, converter)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=False)
    converter.register_structure_hook_factory(is_namedtuple, _named_tuple)
    converter.register_structure_hook(Blueprint, lambda plain, _: Blueprint.from_dict(plain))
    converter.register_structure_hook(Cost | UntimedCost, _cost)
    for number in (float, int | float, float | str, float | str | None):  # a whole number stays one, and a word
        converter.register_structure_hook(number, lambda plain, _: plain)
    return converter


_CONVERTER = _make_converter()
