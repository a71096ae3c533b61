"""The dependencies of endpoints: a valid token, the store, the landing zone. Tests put others in their place."""

import secrets
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from artifact_pipelines.api.exceptions import WrongTokenError
from artifact_pipelines.api.settings import ApiSettings
from artifact_pipelines.datasets.interfaces import ILandingZone
from artifact_pipelines.store import Store

_bearer = HTTPBearer(auto_error=False, description="The token that ARTIFACT_API_TOKEN holds.")


def api_settings(request: Request) -> ApiSettings:
    """Return the settings of the app."""
    settings: ApiSettings = request.app.state.api_settings
    return settings


def store(request: Request) -> Store:
    """Return the open store of the app."""
    opened: Store = request.app.state.store
    return opened


def landing_zone(request: Request) -> ILandingZone:
    """Return the landing zone of the app."""
    zone: ILandingZone = request.app.state.landing_zone
    return zone


ApiSettingsOf = Annotated[ApiSettings, Depends(api_settings)]
StoreOf = Annotated[Store, Depends(store)]
LandingZoneOf = Annotated[ILandingZone, Depends(landing_zone)]


def check_token(
    settings: ApiSettingsOf, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Refuse a request without the token. How long it takes does not depend on how much of it is right."""
    if given is None or not secrets.compare_digest(given.credentials.encode(), settings.token.encode()):
        raise WrongTokenError
