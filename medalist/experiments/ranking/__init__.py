"""Which backbone, and which two or three together: candidates, halving, fusions, and what is told of them."""
