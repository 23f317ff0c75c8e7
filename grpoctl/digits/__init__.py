"""Handwritten digits: where pictures of them come from, and what is in one."""
