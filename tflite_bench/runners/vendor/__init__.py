"""The vendors' benchmark programs: how they are called, what they print and write.

In: a program and a model. Out: a `RunnerResult`.
Imports `transports`, `measurement`, `model`, `processes`, `errors` and the runner of LiteRT.
"""
