"""Runs side by side: what differs in their recipes, their metrics and their evaluations."""
