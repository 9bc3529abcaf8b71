"""Real weights: a folder of safetensors, as Hugging Face names them, or an Orbax checkpoint, as Kaggle ships Gemma."""
