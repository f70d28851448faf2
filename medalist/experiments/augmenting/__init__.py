"""Which augmentations help: a probe of each on frozen features, a screening of all together, a confirmation."""
