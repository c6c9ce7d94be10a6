"""When a guide leaves the training: the callback, its rules, and the report of what it saved.

In: a `Distiller` in training and what its guides showed. Out: a guide halted, and a `HaltingReport`.
"""
