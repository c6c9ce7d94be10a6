"""The clone of a model that is converted: batch 1, inference only, operators that TFLM has, the same answers.

In: a Keras model. Out: its clone. Imports `compat`, `errors`, Keras and TensorFlow.
"""
