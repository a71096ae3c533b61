"""What an engine other than ours needs to reach an S3 server itself. Standard library only.

One idea: credentials are asked for when they are needed, never kept in a text that a plan, a log or a file could show.
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True, slots=True)
class S3Credentials:
    """Keys that are good now, and for some minutes more."""

    access_key_id: str = dataclasses.field(repr=False)
    secret_access_key: str = dataclasses.field(repr=False)
    session_token: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class S3Access:
    """How to reach a server.

    Attributes:
        endpoint_url: `http://…` or `https://…`; buckets are in the path, not in the host's name.
        region: Such as `eu-central-1`.
        credentials: Returns those of the moment: temporary ones are renewed. From any thread.
    """

    endpoint_url: str
    region: str
    credentials: Callable[[], S3Credentials] = dataclasses.field(repr=False)
