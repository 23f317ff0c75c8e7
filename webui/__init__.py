"""The web UI's room: a client of recipes and run folders, with no state of its own."""
