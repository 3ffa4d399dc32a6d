"""One module a dataset: its TFDS builder."""
