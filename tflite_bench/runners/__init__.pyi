from .base import Runner as Runner
from .base import RunnerResult as RunnerResult
from .litert import LiteRTRunner as LiteRTRunner
from .registry import Wishes as Wishes
from .registry import make_runner as make_runner
from .tflm import Arena as Arena
from .tflm import TFLMRunner as TFLMRunner
from .tflm import measure_arena as measure_arena
