"""The C and C++ sources of a bundle, rendered from templates.

In: a `.tflite` file, its `Settings` and test vectors. Out: the text of each file. Imports `bundle.settings` and
`bundle.vectors` beside what the bundle may.
"""
