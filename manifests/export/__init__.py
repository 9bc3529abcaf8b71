"""Export: a manifest and its dataset as a folder that other tools read."""
