from .blueprint import Blueprint as Blueprint
from .blueprint import Sketch as Sketch
from .graph import Graph as Graph
from .graph import Op as Op
from .graph import Tensor as Tensor
from .lowering import lower as lower
from .lowering import read_blueprint as read_blueprint
