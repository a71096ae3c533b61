"""Takes over what Dagster's `FilesystemIOManager` has stored, so that a project can change to this IO manager.

One idea: each stored value becomes the output of a run of its own, of an asset with the same key. So Dagster and the
catalog see it as they see every other version.
"""

import importlib
import pathlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import dagster as dg

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.io_manager.asked_outputs import PUBLISH_METADATA_KEY
from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory

_FAILURE = "dagster._core.definitions.events.Failure: "  # how Dagster's text of a failure begins


class Import(NamedTuple):
    """The outcome for one value; `problem` says why it could not be stored, None: it is stored."""

    asset: str
    partition: str | None
    problem: str | None


def import_project(module: str, folder: str) -> Iterator[Import]:
    """Do the same as `import_values` for a module with the definitions `defs`, and the instance of DAGSTER_HOME.

    Raises:
        InvalidArgumentError: There is no such module, or it has no `defs`.
    """
    try:
        found = importlib.import_module(module).defs
    except (ImportError, AttributeError) as error:
        raise InvalidArgumentError("module", module, f"one with the definitions `defs` ({error})") from error
    definitions: dg.Definitions = found() if callable(found) else found
    with dg.DagsterInstance.get() as instance:
        yield from import_values(definitions, folder, instance)


def import_values(definitions: dg.Definitions, folder: str, instance: dg.DagsterInstance) -> Iterator[Import]:
    """Store the values in a folder of `FilesystemIOManager`, one by one, as outputs of the assets with their keys.

    They are pickles, and loading one can run code: import only a folder that you trust.

    Args:
        definitions: Those of the project; assets that do not have this project's IO manager are left out.
        folder: The `base_dir` of the `FilesystemIOManager`.
        instance: Keeps the runs, and tells Dagster of each value.

    Yields:
        Each asset or partition with a value in the folder, once it is stored or cannot be.
    """
    former = dg.FilesystemIOManager(base_dir=folder).create_io_manager(dg.build_init_resource_context())
    resources = dict(definitions.resources or {})
    for asset in definitions.resolve_asset_graph().assets_defs:
        for key in sorted(asset.keys) if asset.is_materializable else ():
            # Else each partition of an asset that was never made would take time, and a line on the terminal.
            is_stored = pathlib.Path(folder, *key.path).exists()
            if is_stored and _output_of(asset, key).io_manager_key in _ours(resources):
                yield from _import_asset(asset, key, former, resources, instance)


def _ours(resources: Mapping[str, Any]) -> Collection[str]:
    return [name for name, resource in resources.items() if isinstance(resource, ArtifactIOManagerFactory)]


def _output_of(asset: dg.AssetsDefinition, key: dg.AssetKey) -> Any:
    return asset.op.output_dict[asset.get_output_name_for_asset_key(key)]


def _import_asset(
    asset: dg.AssetsDefinition,
    key: dg.AssetKey,
    former: dg.IOManager,
    resources: Mapping[str, Any],
    instance: dg.DagsterInstance,
) -> Iterator[Import]:
    definition = asset.partitions_def
    for partition in definition.get_partition_keys(dynamic_partitions_store=instance) if definition else [None]:
        context = dg.build_input_context(
            asset_key=key, partition_key=partition, asset_partitions_def=definition, instance=instance
        )
        problem: str | None
        try:
            value = former.load_input(context)
        except FileNotFoundError:  # never made
            continue
        except Exception as error:  # noqa: BLE001  # a pickle can raise anything
            problem = f"It cannot be loaded. {type(error).__name__}: {error}"
        else:
            problem = _store(value, asset, key, partition, resources, instance)
        yield Import(key.to_user_string(), partition, problem)


def _store(
    value: Any,
    asset: dg.AssetsDefinition,
    key: dg.AssetKey,
    partition: str | None,
    resources: Mapping[str, Any],
    instance: dg.DagsterInstance,
) -> str | None:
    """Run an asset that returns the value. Returns why it failed."""
    spec = asset.get_asset_spec(key)
    output = _output_of(asset, key)
    out = dg.AssetOut(
        key=key,
        dagster_type=output.dagster_type,
        io_manager_key=output.io_manager_key,
        metadata={name: value for name, value in spec.metadata.items() if name != PUBLISH_METADATA_KEY},
        code_version=spec.code_version,
    )

    @dg.multi_asset(name="import_value", outs={"value": out}, partitions_def=asset.partitions_def)
    def import_value() -> Any:
        return value

    result = dg.materialize(
        [import_value],
        resources=resources,
        instance=instance,
        partition_key=partition,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},  # the failure is returned
    )
    failures = [event.step_failure_data.error for event in result.get_step_failure_events()]
    return next((error.message.removeprefix(_FAILURE).strip() for error in failures if error), None)
