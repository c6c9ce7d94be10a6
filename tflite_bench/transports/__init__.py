"""Where a benchmark program runs: on this computer, a phone, a board.

In: a command and files. Out: what the command printed.
Imports `processes`, `errors`.
"""
