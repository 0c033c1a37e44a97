"""Read models: what a page asks, as small objects and functions."""
