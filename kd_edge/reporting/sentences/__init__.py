"""Results as sentences and figures that people read.

In: the plain data of a result. Out: text.
"""
