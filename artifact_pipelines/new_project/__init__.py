"""Writes the files of a new project and of a new dataset: templates in `template/`, filled in with a few names."""
