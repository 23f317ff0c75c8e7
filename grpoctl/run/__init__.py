"""A run on disk: its folder, its manifest, its events, its checkpoints, and who listens while it goes on."""
