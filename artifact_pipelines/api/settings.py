"""Settings of the HTTP interface, from the environment."""

import dataclasses
import os
from typing import Self

from artifact_pipelines.core.exceptions import ConfigurationError

TOKEN = "ARTIFACT_API_TOKEN"  # noqa: S105  # a name
MAX_BYTES = "ARTIFACT_API_MAX_BYTES"
_LEAST_TOKEN = 16
_TEN_GB = 10_000_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class ApiSettings:
    """Settings of the HTTP interface.

    Attributes:
        token: Every request must bring it. At least 16 characters.
        max_bytes: Size of an upload at most, in bytes.
    """

    token: str = dataclasses.field(repr=False)
    max_bytes: int = _TEN_GB

    def __post_init__(self) -> None:
        if len(self.token) < _LEAST_TOKEN:
            remedy = "Set it, for example to what `openssl rand -hex 32` prints."
            raise ConfigurationError(TOKEN, f"it has less than {_LEAST_TOKEN} characters", remedy)
        if self.max_bytes < 1:
            raise ConfigurationError(MAX_BYTES, "it is not positive", "Write a number of bytes.")

    @classmethod
    def from_environment(cls) -> Self:
        """Return what `ARTIFACT_API_TOKEN` and `ARTIFACT_API_MAX_BYTES` say.

        Raises:
            ConfigurationError: There is no token, or a value cannot be right.
        """
        most = os.environ.get(MAX_BYTES) or str(_TEN_GB)
        if not most.isdecimal():
            raise ConfigurationError(MAX_BYTES, f"{most!r} is no number", "Write a number of bytes.")
        return cls(os.environ.get(TOKEN, ""), int(most))
