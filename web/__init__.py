"""The web gallery: pages that show what is shared, and change nothing."""
