"""One migration for each revision of the schema."""
