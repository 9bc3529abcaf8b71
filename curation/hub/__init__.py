"""Sources on the Hugging Face Hub: asked for at a commit, fetched, checked, pinned."""
