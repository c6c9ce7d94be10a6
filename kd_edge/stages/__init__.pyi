from .results import RunResult as RunResult
from .results import StageResults as StageResults
from .store import StageStore as StageStore
