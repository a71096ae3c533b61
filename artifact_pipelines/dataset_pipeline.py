"""The component behind a dataset's YAML file, also usable as a Python class.

One idea: a dataset is declared, not programmed. `DatasetDeclaration` has the fields, `dataset_definitions` what Dagster
makes of them.
"""

import functools
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pydantic

from artifact_pipelines.broken_dataset import (
    BrokenDatasetError,
    DatasetYaml,
    check_others,
    explained,
    fill_in_templates,
    left_out,
    positions_of,
)
from artifact_pipelines.dataset_declaration import DatasetDeclaration
from artifact_pipelines.dataset_definitions import DatasetDefinitions
from artifact_pipelines.new_project.scaffolder import DatasetScaffolder


@dg.scaffold_with(DatasetScaffolder)
class DatasetPipeline(dg.Component, DatasetDeclaration):
    """A dataset, from the landing zone to its samples and analyses."""

    @classmethod
    def get_model_cls(cls) -> type[pydantic.BaseModel]:
        """Return the model of the YAML file: it takes all fields, so that `load` words what is wrong with them."""
        return DatasetYaml

    @classmethod
    def load(cls, attributes: pydantic.BaseModel | None, context: dg.ComponentLoadContext) -> dg.Component:  # type: ignore[override]
        """Return the dataset that a YAML file declares, with its `{{ ... }}` templates filled in.

        If the file is wrong, a server returns a `BrokenDataset` instead, so that the others go on.

        Raises:
            BrokenDatasetError: The file is wrong, and it is not a server that loads it.
        """
        values: Mapping[str, Any] = attributes.model_dump(exclude_unset=True) if attributes else {}
        schema, positions = _schema_of(cls), positions_of(context)
        try:
            with explained(positions, schema, values):
                cls.model_validate(values)  # before templates are filled in, of which some may be no text
            values = fill_in_templates(context, values)
            with explained(positions, schema, values):
                dataset = cls.model_validate(values)
            check_others(context, dataset.name, dataset.source)
        except BrokenDatasetError as error:
            return left_out(error, context.component_path.file_path, values.get("name"))
        return dataset

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the dataset's definitions; Dagster calls it when it loads the YAML file."""
        return self.definitions()

    def definitions(self) -> dg.Definitions:
        """Return the dataset's assets, sensors, job and schedule.

        They require the resources `artifact_io_manager`, `artifact_store` and `landing_zone`.
        """
        return DatasetDefinitions(self).all()


@functools.cache  # it takes a tenth of a second
def _schema_of(model: type[DatasetPipeline]) -> Mapping[str, Any]:
    return model.model_json_schema()


DatasetYaml.SCHEMA = DatasetPipeline.model_json_schema
