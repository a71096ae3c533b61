"""How the IO manager reaches an S3 server, as Dagster configuration."""

import os

import dagster as dg
import pydantic

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import ENDPOINT_URL, S3Settings, refuse_password

_SECRETS = ("access_key_id", "secret_access_key", "session_token")


class S3Config(dg.Config):
    """What is left out, the standard AWS variables, files and roles say.

    Attributes:
        endpoint_url: Of a server other than AWS.
        region: Such as `eu-central-1`.
        access_key_id: With `secret_access_key`, and perhaps `session_token`; each a `dg.EnvVar`.
    """

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = pydantic.Field(default=None, repr=False)
    secret_access_key: str | None = pydantic.Field(default=None, repr=False)
    session_token: str | None = pydantic.Field(default=None, repr=False)

    @pydantic.field_validator(*_SECRETS, mode="before")
    @classmethod
    def _comes_from_the_environment(cls, value: object, info: pydantic.ValidationInfo) -> object:
        # The UI shows how a resource is configured: the name of a variable, but also a text that is written out.
        if value is None or isinstance(value, dg.EnvVar) or value in os.environ.values():
            return value
        raise _shown(info.field_name)

    @pydantic.field_validator("endpoint_url")
    @classmethod
    def _shows_no_password(cls, endpoint_url: str | None) -> str | None:
        refuse_password(endpoint_url or "", ENDPOINT_URL)
        return endpoint_url

    def refuse_shown_secrets(self) -> None:
        """Check that definitions hold no secret but as the name of its variable.

        Raises:
            ConfigurationError: One came from `os.environ`.
        """
        for name in _SECRETS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, dg.EnvVar):
                raise _shown(name)

    def settings(self) -> S3Settings:
        """Return it as the storage takes it."""
        return S3Settings(
            self.endpoint_url, self.region, self.access_key_id, self.secret_access_key, self.session_token
        )


def _shown(name: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"s3.{name}",
        "it is written out or comes from os.environ, and the Dagster UI would show it",
        'Use dg.EnvVar("NAME"), or leave it out and set the AWS variables.',
    )
