from .op_registry import register_op as register_op
from .op_spec import OpSpec as OpSpec
from .reader import ModelInfo as ModelInfo
from .reader import OpInfo as OpInfo
from .reader import TensorInfo as TensorInfo
from .reader import read_model as read_model
