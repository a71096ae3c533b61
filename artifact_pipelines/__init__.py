"""A content-addressed artifact store and catalog behind Dagster: identity is content.

A public name is loaded at its first use, so the command line does not wait for Dagster.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artifact_pipelines.automation import on_changed_content
    from artifact_pipelines.core.exceptions import (
        ArtifactError,
        BackendError,
        IntegrityError,
        NotFoundError,
        SourceError,
        UsageError,
    )
    from artifact_pipelines.core.settings import Settings
    from artifact_pipelines.core.types import FileDescription, NewArtifact
    from artifact_pipelines.dataset_pipeline import DatasetPipeline
    from artifact_pipelines.definitions import build_definitions, resources
    from artifact_pipelines.defs_folder import load_defs_folder
    from artifact_pipelines.handlers.interfaces import ITypeHandler, ReadRequest
    from artifact_pipelines.handlers.registry import register_type_handler
    from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
    from artifact_pipelines.io_manager.resources import (
        ArtifactIOManagerFactory,
        ArtifactStore,
        S3Config,
        check_output_types,
    )
    from artifact_pipelines.maintenance.definitions import build_maintenance
    from artifact_pipelines.storage.artifact import Artifact
    from artifact_pipelines.store import Store, open_store

__all__ = [
    "Artifact",
    "ArtifactError",
    "ArtifactIOManager",
    "ArtifactIOManagerFactory",
    "ArtifactStore",
    "BackendError",
    "DatasetPipeline",
    "FileDescription",
    "ITypeHandler",
    "IntegrityError",
    "NewArtifact",
    "NotFoundError",
    "ReadRequest",
    "S3Config",
    "Settings",
    "SourceError",
    "Store",
    "UsageError",
    "build_definitions",
    "build_maintenance",
    "check_output_types",
    "load_defs_folder",
    "on_changed_content",
    "open_store",
    "register_type_handler",
    "resources",
]

_MODULES = {
    "Artifact": "storage.artifact",
    "ArtifactError": "core.exceptions",
    "ArtifactIOManager": "io_manager.artifact_io_manager",
    "ArtifactIOManagerFactory": "io_manager.resources",
    "ArtifactStore": "io_manager.resources",
    "BackendError": "core.exceptions",
    "DatasetPipeline": "dataset_pipeline",
    "FileDescription": "core.types",
    "ITypeHandler": "handlers.interfaces",
    "IntegrityError": "core.exceptions",
    "NewArtifact": "core.types",
    "NotFoundError": "core.exceptions",
    "ReadRequest": "handlers.interfaces",
    "S3Config": "io_manager.resources",
    "Settings": "core.settings",
    "SourceError": "core.exceptions",
    "Store": "store",
    "UsageError": "core.exceptions",
    "build_definitions": "definitions",
    "build_maintenance": "maintenance.definitions",
    "check_output_types": "io_manager.resources",
    "load_defs_folder": "defs_folder",
    "on_changed_content": "automation",
    "open_store": "store",
    "register_type_handler": "handlers.registry",
    "resources": "definitions",
}


def __getattr__(name: str) -> object:
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
