"""Every key a recipe may have, one section a module; `recipe/schema.py` joins them."""
