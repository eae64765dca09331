"""What people write into prompts besides words; needs no model."""
