"""Errors of the HTTP interface."""

import dataclasses

from rich.filesize import decimal

from artifact_pipelines.core.exceptions import SourceError, UsageError


@dataclasses.dataclass(eq=False)
class UploadTooLargeError(SourceError):
    """An upload is larger than the interface takes."""

    max_bytes: int

    def __str__(self) -> str:
        return (
            f"The upload is larger than {decimal(self.max_bytes)}, the most that is taken. Nothing was stored. Drop the "
            "file into the landing zone, or let the operator raise ARTIFACT_API_MAX_BYTES."
        )


@dataclasses.dataclass(eq=False)
class UploadBrokenOffError(SourceError):
    """The client went away before the end of its upload."""

    received_bytes: int

    def __str__(self) -> str:
        return f"The upload broke off after {self.received_bytes:,} bytes. Nothing was stored. Send it again."


@dataclasses.dataclass(eq=False)
class RefusedRequestError(UsageError):
    """A request is malformed."""

    problem: str

    def __str__(self) -> str:
        return f"{self.problem}. /openapi.json describes every request."


@dataclasses.dataclass(eq=False)
class WrongTokenError(UsageError):
    """A request does not bring the token."""

    def __str__(self) -> str:
        return "The token is missing or wrong. Send the header: Authorization: Bearer TOKEN."
