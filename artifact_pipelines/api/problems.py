"""Errors as JSON: each branch of errors has one status, as it has one exit code on the command line."""

from collections.abc import Mapping
from typing import Any

import pydantic
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from artifact_pipelines.api.exceptions import RefusedRequestError, UploadTooLargeError, WrongTokenError
from artifact_pipelines.core.exceptions import (
    ArtifactError,
    BackendError,
    IntegrityError,
    NotFoundError,
    SourceError,
    UsageError,
)
from artifact_pipelines.datasets.exceptions import DropIsWaitingError

_STATUS_OF: Mapping[type[ArtifactError], int] = {
    WrongTokenError: 401,
    DropIsWaitingError: 409,
    UploadTooLargeError: 413,
    NotFoundError: 404,
    UsageError: 400,
    SourceError: 422,
    IntegrityError: 500,
    BackendError: 503,
}


class Problem(pydantic.BaseModel):
    """Why a request was refused."""

    error: str = pydantic.Field(description="Name of the error, as docs/errors.md lists it.")
    message: str = pydantic.Field(description="What is wrong, and what to do.")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the responses of an endpoint that OpenAPI describes beside those of all: refused, and no token."""
    return {status: {"model": Problem} for status in sorted({400, 401, 503, *statuses})}


def add_problems(app: FastAPI) -> None:
    """Let the app answer every error with a `Problem`."""
    app.add_exception_handler(ArtifactError, _of_package)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_starlette)


def _of_package(_: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in _STATUS_OF.items() if isinstance(error, kind))
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, WrongTokenError) else None
    return _answer(status, type(error).__name__, str(error), headers)


def _of_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()[0]
    where = ".".join(str(part) for part in found["loc"][1:])
    return _of_package(request, RefusedRequestError(f"{where}: {found['msg']}"))


def _of_starlette(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, "HTTPException", str(error.detail), error.headers)


def _answer(status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Problem(error=name, message=message).model_dump(), status, headers=headers)
