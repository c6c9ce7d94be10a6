"""The user's own code that a table of a configuration names: who edits it, asks for something else."""

import sys

from kd_edge.config.inputs import TeacherConfig
from kd_edge.config.own_code import own_code
from kd_edge.config.stages import DesignConfig, DistillConfig
from kd_edge.distillation.halting.rules import find_rule
from kd_edge.ir.layers import LAYERS
from kd_edge.search.strategies import code_of_search

_AUGMENTATIONS = "kd_edge.distillation.augmentation.base"


def own_code_in(table: object) -> tuple[str, ...]:
    """Return hashes of the code that is registered under the names in a table, less kd_edge's; see `own_code`.

    Args:
        table: Of teacher, search or training.
    """
    if isinstance(table, TeacherConfig):
        return _of_augmentations(table.augment) + (() if table.path is None else own_code(*LAYERS.values()))
    if isinstance(table, DesignConfig):
        return code_of_search(table.search)
    if isinstance(table, DistillConfig):
        return _of_augmentations(table.augment) + (() if table.rule is None else own_code(find_rule(table.rule)))
    return ()


def _of_augmentations(name: str) -> tuple[str, ...]:
    registry = sys.modules.get(_AUGMENTATIONS)  # it imports TensorFlow; where nobody has, nobody has registered one
    known = {} if registry is None else registry.registered_augmentations()
    return own_code(*(make for known_as, make in known.items() if name in (known_as, "auto")))
