"""Kinds of analysis, each a class in a module of its own."""
