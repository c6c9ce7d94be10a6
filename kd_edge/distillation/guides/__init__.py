"""The networks that a student learns from: a teacher, its stored outputs, or a trainee that learns beside it.

In: networks or stored targets. Out: guides, which answer batches in the training step and are measured against it.
Imports `ir`, `compat`, `errors`, the rest of `distillation` but what trains, Keras and TensorFlow.
"""
