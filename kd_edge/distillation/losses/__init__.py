"""What a guide teaches, as losses, per task, and which of them fits a student.

In: answers of guide and student. Out: a loss per sample. Imports `distillation.guides`, `errors`, Keras.
"""
