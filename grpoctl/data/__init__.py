"""Data sets: where they are, what their rows say, how a row becomes a prompt."""
