"""File formats, each a class in a module of its own."""
