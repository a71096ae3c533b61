"""Bytes on their way in: staged once, hashed on the way, and there again when an attempt has used them up."""

from collections.abc import Callable

from artifact_pipelines.core.types import Content
from artifact_pipelines.storage.exceptions import SourceChangedError
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import StagedFile, StagingFile


class StagedSource:
    """The content of a source, and a staged file of it, made when asked for. Use it in a `with` block.

    Args:
        backend: Where it is staged.
        write: Writes the bytes into a staging file.
        content: What is to come, where it is known already.
    """

    def __init__(
        self, backend: IStorageBackend, write: Callable[[StagingFile], None], content: Content | None = None
    ) -> None:
        self._backend = backend
        self._write = write
        self._content = content
        self._staged: StagedFile | None = None

    def __enter__(self) -> None:
        """Nothing is staged yet."""

    def __exit__(self, *_: object) -> None:
        if self._staged is not None:
            self._staged.discard()

    def content(self) -> Content:
        """Return hash and size of the bytes."""
        return self._content or self.staged().content

    def staged(self) -> StagedFile:
        """Return a staged file that can be put.

        Raises:
            SourceChangedError: The bytes are not the ones that were to come.
        """
        previous = self._staged
        if previous is None:
            self._staged = self._stage(self._write)
        elif previous.is_moved:  # published under a lease that ran out: its bytes are still open here
            with previous.reopen() as stream:
                self._staged = self._stage(lambda sink: sink.copy_from(stream))
            previous.discard()
        assert self._staged is not None
        return self._staged

    def _stage(self, write: Callable[[StagingFile], None]) -> StagedFile:
        with self._backend.stage() as sink:
            write(sink)
            staged = sink.finish()
        if self._content is not None and staged.content != self._content:
            staged.discard()
            raise SourceChangedError("The content stream")
        self._content = staged.content
        return staged
