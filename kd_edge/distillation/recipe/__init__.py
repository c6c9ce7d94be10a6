"""A training by a recipe: its batches, optimizer and kept epoch, and what a recipe may leave open.

In: a `Recipe`, a network and a `Dataset`. Out: what `train` and `distill` hand to `fit`, alike with guides and without.
Imports `data`, the rest of `distillation` but `training`, `errors`, Keras and TensorFlow.
"""
