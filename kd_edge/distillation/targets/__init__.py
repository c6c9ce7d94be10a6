"""A teacher's outputs, computed once and kept with their samples.

In: a trained teacher and samples. Out: `SoftTargets`, which a `Distiller` takes in the teacher's place.
"""
