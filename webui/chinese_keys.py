"""What do a recipe's keys mean, in Chinese? The English is the schema's own."""

SECTION_TITLES: dict[str, str] = {}
KEYS: dict[str, str] = {}
