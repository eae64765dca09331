"""One file for each slash command or group."""
