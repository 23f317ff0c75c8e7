"""Code that nobody has read, run in a process that can do no harm."""
