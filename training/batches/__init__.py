"""From a manifest to the exact batches of a run: tokenizer, templates, tokens, packing, the plan."""
