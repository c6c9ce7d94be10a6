"""What people and programs read: JSON documents and tables.

In: a benchmark, a comparison, a calibration. Out: JSON and text.
Imports everything but `cli`.
"""
