"""What is wrong with a manifest or a dataset, and why.

flow        verify: everything that one manifest promises, and the faults where it does not hold
faults      what a fault is and how it reads
flips       the one bit that was turned, if it was one
document    manifest.json: which byte, which field
tables      rows.parquet and rejects.parquet: which rows
dataset     the dataset against the rows table: which row, which column, what happened to it
texts       what happened to a text whose key is known
deep        what digests alone do not prove
"""
