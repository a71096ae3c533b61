"""Representativeness: whether a sample has the distributions of the rows that it was drawn from, its frame."""
