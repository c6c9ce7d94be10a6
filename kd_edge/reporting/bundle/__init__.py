"""The bundle: a project of a tool chain that builds, flashes and checks a model.

In: a finished run, or a `.tflite` file with or without samples. Out: a folder of files with a manifest.
Imports what `kd_edge.reporting` may, and of that what reads runs.
"""
