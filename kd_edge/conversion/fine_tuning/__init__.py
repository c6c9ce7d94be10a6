"""Training for int8 and compression, on a copy of the student in tf_keras.

In: a student and samples. Out: a file's bytes or a changed student.
Imports `conversion`, `distillation`, `compat`, tfmot.
"""
