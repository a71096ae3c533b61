"""`dg scaffold defs artifact_pipelines.DatasetPipeline NAME`."""

import dagster as dg

from artifact_pipelines.new_project.files import new_dataset


class DatasetScaffolder(dg.Scaffolder):
    """Writes the commented YAML file of a dataset that is named like its folder."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """See `dg.Scaffolder`."""
        path = request.target_path / "defs.yaml"
        path.write_text(new_dataset(request.target_path.name), "utf-8")
