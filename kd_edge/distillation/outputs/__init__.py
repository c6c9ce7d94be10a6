"""What networks answer: which output answers which task, as logits or probabilities, and what they decide.

In: a network, samples and their task. Out: its answers, and what they say. Imports `data`, `compat`, `errors`, Keras.
"""
