"""Kinds of check, each a class in a module of its own."""
