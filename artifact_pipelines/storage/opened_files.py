"""Stored files under names that people and their programs understand, in a folder that outlives the process."""

import os
import pathlib
import secrets
import shutil

from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.exceptions import UnwritableTargetError
from artifact_pipelines.storage.local_paths import stored_path

_PIECE_BYTES = 1 << 20


def opened_path(artifact: Artifact, name: str) -> pathlib.Path:
    """Return the path of a read-only file with a name: a link to the stored file on local disk, else a copy of it.

    It lies in the folder `artifact-pipelines` of the user's cache, below the file's hash and ID: the same file has the
    same path again.

    Raises:
        IntegrityError: The bytes are missing or damaged; a link is made to bytes of the right size.
        UnwritableTargetError: The cache cannot be written.
    """
    stored = stored_path(artifact)
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    path = pathlib.Path(cache, "artifact-pipelines", pathlib.PurePath(str(artifact.info.storage_path)).name, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if stored is None and path.exists():
            return path
        partial = path.with_name(secrets.token_hex(8))
        if stored is not None:
            partial.symlink_to(stored)
        else:
            with artifact.open() as source, partial.open("xb") as sink:
                shutil.copyfileobj(source, sink, _PIECE_BYTES)
            partial.chmod(0o444)
        return partial.replace(path)  # whole or not at all
    except OSError as error:
        raise UnwritableTargetError(str(path), error.strerror or str(error)) from error
