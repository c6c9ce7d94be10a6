"""Random changes of training samples that keep their labels, by kind of data.

In: samples and one seed for each. Out: changed samples, the same for the same seed whatever batch they are in.
Imports `errors`, Keras and TensorFlow.
"""
