"""Migrations of the schema, which alembic runs."""
