"""Measurements of speed, memory and structure: `make bench`, `make house`."""
