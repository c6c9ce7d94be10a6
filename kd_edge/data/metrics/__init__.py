"""How good answers are, per task.

In: decisions or scores, and labels. Out: figures. Imports `data`, `errors` and no framework.
"""
