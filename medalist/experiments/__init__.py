"""Questions answered by many runs: which backbone, which augmentation, which value of a key, within which time."""
