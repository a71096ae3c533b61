"""The command `serve`."""

import logging

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def serve(host: str, port: int) -> None:
    r"""Serve files, datasets and reports over HTTP, and take uploads. ARTIFACT_API_TOKEN is the token of all requests.

    Put a server with TLS in front. /openapi.json describes every request.

    Examples:
    \b
      ARTIFACT_API_TOKEN=$(openssl rand -hex 32) artifact-pipelines serve
      curl -H "Authorization: Bearer $ARTIFACT_API_TOKEN" -T a.csv "http://127.0.0.1:8000/upload?name=a.csv" -X POST
    """
    try:
        import uvicorn

        from artifact_pipelines.api.app import create_app
    except ImportError as error:
        raise click.ClickException("This needs FastAPI: pip install 'artifact-pipelines[api]'.") from error
    logger = logging.getLogger("artifact_pipelines")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    uvicorn.run(create_app(), host=host, port=port, server_header=False)
