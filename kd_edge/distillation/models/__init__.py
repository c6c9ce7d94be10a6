"""Networks that are given, read, built or copied: teachers, trainees, students.

In: a path or a model. Out: a model that answers in logits or values. Imports `data`, `compat`, `errors`, Keras.
"""
