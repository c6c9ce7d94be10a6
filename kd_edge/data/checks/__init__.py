"""Whether samples and labels are such as a network can learn from."""
