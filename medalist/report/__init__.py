"""A run seen: one folder of static HTML and thumbnails, which works from disk, offline, and can be mailed."""
