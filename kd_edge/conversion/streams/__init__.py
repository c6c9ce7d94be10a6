"""A streaming student as the step that a board runs.

In: a student that was trained on windows. Out: the bytes of its step. Imports `ir`, `errors`, Keras and TensorFlow.
"""
