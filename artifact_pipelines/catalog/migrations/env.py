"""Runs migrations on the caller's connection, inside its transaction."""

from alembic import context

from artifact_pipelines.catalog.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
