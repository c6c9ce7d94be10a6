from .intervals.confidence import wilson_interval as wilson_interval
from .intervals.difference import paired_difference as paired_difference
from .results import Verification as Verification
from .verifier import verify as verify
