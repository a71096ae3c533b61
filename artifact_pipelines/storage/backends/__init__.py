"""Backends: a folder on a local filesystem, and an S3 bucket. Only `storage/factory.py` chooses between them."""
