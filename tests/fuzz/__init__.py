"""Random models against independent answers; see README.md for how to run it."""
