"""What a network answers: generation, the format of a reply, asking a run."""
