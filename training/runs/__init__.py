"""The folder of a run: what is in it, how it is opened, gone on with, handed over and continued from."""
