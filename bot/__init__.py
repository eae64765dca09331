"""The Discord face of Atelier."""
