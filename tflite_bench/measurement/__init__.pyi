from .stats import LatencyStats as LatencyStats
