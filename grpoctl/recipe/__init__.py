"""The recipe: what a YAML file may say, what it means, and what is wrong with it."""
