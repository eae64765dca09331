"""Small adapters for the embedded model: a LoRA, a word and an edge ControlNet."""
