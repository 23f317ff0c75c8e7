"""Symbolic equality: text to canonical expressions, and math-verify on those in a process that can be killed."""
