"""Who does the work on parts of sources: this machine's processes, or a Ray cluster. What is done is the same."""
