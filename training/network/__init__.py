"""The model that is trained: Tunix's Gemma with LoRA, its tensors by name, four bits."""
