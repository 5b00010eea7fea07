"""Training data: text, a fixed split, and batches in an order that one integer describes."""
