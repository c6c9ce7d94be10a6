"""The page of a run and its pictures.

In: a run's document. Out: one HTML file, PNG files. Imports `rows` and `sentences`.
"""
