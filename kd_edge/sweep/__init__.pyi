from .order import run_sweep as run_sweep
from .results import SweepResult as SweepResult
from .wanted import SweepConfig as SweepConfig
from .wanted import load_sweep as load_sweep
