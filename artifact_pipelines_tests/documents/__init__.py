"""The README and the documents are true: each command in them exists and runs, and so do YAML, SQL and Python."""
