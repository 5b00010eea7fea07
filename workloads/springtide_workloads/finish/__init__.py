"""What happens to a model once it is trained: evaluation, quantization, and a table that compares what became of it."""
