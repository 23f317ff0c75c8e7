"""How large should a group be? The same training with several sizes, beside theory and the document's advice."""
