"""An emulated Cortex-M: a program is compiled for it and its instructions are counted.

In: a model. Out: a `RunnerResult` with counts, no times.
Imports the other runners, `measurement`, `model`, `processes`, `errors`.
"""
