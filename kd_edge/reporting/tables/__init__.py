"""What the commands print.

In: the plain data of a result. Out: tables of rich, and lines. Imports `rows` and `sentences`.
"""
