"""Commands of the documents that need a project in which Dagster runs, and how the tests of this folder run them."""

from collections.abc import Mapping

from artifact_pipelines_tests.documents.reading import ROOT, blocks, commands_of

START_DAGSTER = "DAGSTER_HOME=$PWD dagster dev -w workspace.yaml"
OVER_HTTP = "".join(blocks(ROOT / "docs" / "api.md", ""))
"""The commands of docs/api.md, as a script."""

_OURS, _AS_IT_IS = "artifact-pipelines", ""
_BACKFILLS = [command for command in commands_of(ROOT / "docs" / "operations.md") if " backfill " in command]
IN_ORDER: Mapping[str, str] = {
    f"{_OURS} init my_project ~/cities.csv": f"cp cities.csv ~; cd ~; {_OURS} init my_project ~/cities.csv",
    "cd my_project": "cd ~/my_project; DAGSTER_HOME=$PWD dg check defs",
    f"{_OURS} drop FILE --dataset NAME --wait": f"{_OURS} drop sales_2024-01.csv --dataset sales --wait",
    "dg launch --assets sales/table --partition 2024-01": _AS_IT_IS,
    f"{_OURS} drop cities.csv --dataset cities --wait": _AS_IT_IS,
    f"{_OURS} drop FILE... --dataset NAME --wait": (
        f"{_OURS} drop sales_2024-02.csv sales_2024-03.csv --dataset sales --wait"
    ),
    "cp cities.csv state/landing/": _AS_IT_IS,
    "dg check defs": _AS_IT_IS,
    "dg check defs --no-check-yaml": _AS_IT_IS,
    "dg list defs": _AS_IT_IS,
    "dg scaffold defs artifact_pipelines.DatasetPipeline NAME": (
        "dg scaffold defs artifact_pipelines.DatasetPipeline shops"
    ),
    "dagster instance concurrency set heavy 2": _AS_IT_IS,
    f"{_OURS} import old_storage -m my_project.definitions": f"""
        mkdir old_storage
        python -c "import pickle, polars as pl; pickle.dump(pl.DataFrame([1]), open('old_storage/largest', 'wb'))"
        {_OURS} import --yes old_storage -m my_project.definitions
    """,
    f'eval "$({_OURS} completion bash)"': f'eval "$({_OURS} completion bash)"; complete -p {_OURS}',
    **dict.fromkeys(_BACKFILLS, _AS_IT_IS),
}
"""Each command, with the script that runs it in the project. The last ones start runs that nobody waits for."""

RUN_IN_THE_FIRST_WEEK = {START_DAGSTER, *IN_ORDER} | {
    command
    for command in commands_of(ROOT / "docs" / "api.md")
    if command.startswith(("export", "curl", f"{_OURS} serve"))
}
