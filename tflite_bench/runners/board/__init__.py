"""A microcontroller on a serial port that runs the measuring firmware.

In: a model. Out: a `RunnerResult` of the board's own counter.
Imports `transports`, the other runners, `measurement`, `model`, `errors`.
"""
