"""Clones of models, and the one that is converted: batch 1, operators that TFLM has, the same answers.

In: a Keras model. Out: its clone. Imports `compat`, `errors`, Keras and TensorFlow.
"""
