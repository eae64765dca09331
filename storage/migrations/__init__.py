"""Numbered SQL files; a released one is history and is never edited."""
