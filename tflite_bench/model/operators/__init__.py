"""What is known of TFLite's operators: one `OpSpec` each, with the buffers that TFLM's kernels allocate.

In: an operator's name and the shapes of its tensors. Out: its MACs, work and memory. Imports `errors`.
"""
