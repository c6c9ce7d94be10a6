"""Where samples come from, one file per source.

In: a path or a name, and `SourceOptions`. Out: a checked `Dataset`.
Imports `data`, `files`, `errors`; Keras' loaders inside functions.
"""
