from .info import ModelInfo as ModelInfo
from .info import OpInfo as OpInfo
from .info import TensorInfo as TensorInfo
from .operators.registry import register_op as register_op
from .operators.spec import OpSpec as OpSpec
from .reader import read_model as read_model
