"""The FastAPI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from artifact_pipelines.api import datasets, files, uploads
from artifact_pipelines.api.access import check_token
from artifact_pipelines.api.problems import add_problems
from artifact_pipelines.api.settings import ApiSettings
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets.landing.places import open_landing_zone
from artifact_pipelines.store import open_store

_DESCRIPTION = (
    "Files, datasets and reports of an artifact store. Every request brings the token: `Authorization: Bearer …`."
)


def create_app(settings: Settings | None = None, api_settings: ApiSettings | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: Where catalog, store and landing zone are; None: where the `ARTIFACT_…` variables say.
        api_settings: Token and limits; None: `ARTIFACT_API_TOKEN` and `ARTIFACT_API_MAX_BYTES`.

    Raises:
        ConfigurationError: There is no token, or a setting cannot be right.
    """
    places = settings or Settings.from_environment()
    app = FastAPI(
        title="artifact_pipelines",
        description=_DESCRIPTION,
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url=None,  # these pages load scripts from another host
        redoc_url=None,
    )
    app.state.places = places
    app.state.api_settings = api_settings or ApiSettings.from_environment()
    for router in (uploads.router, files.router, datasets.router):
        app.include_router(router, dependencies=[Depends(check_token)])
    add_problems(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    places: Settings = app.state.places
    with open_store(places.catalog_url, places.storage_url) as store:
        app.state.store, app.state.landing_zone = store, open_landing_zone(places.landing_url)
        yield
