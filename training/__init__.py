"""From a manifest id to an adapter: plan, packing, LoRA, checkpoints, provenance."""
