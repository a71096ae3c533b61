"""The asset of an analysis of any kind."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from artifact_pipelines.analysis.interfaces import Answer, IAnalysisKind
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.local_paths import verified_path


def build_analysis_asset(
    dataset: str, analysis: str, kind: IAnalysisKind, attributes: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """Return the asset that answers an analysis of a dataset's table."""

    @dg.asset(
        key=[dataset, "analyses", analysis],
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        description=kind.description(dataset),
        kinds={"parquet", *kind.ENGINES},
        code_version=kind.code_version(),
        **attributes,
    )
    def answer(table: Artifact) -> Iterator[dg.Output[Any]]:
        with failures_explained(), verified_path(table) as file, kind.answer({dataset: file.path}) as found:
            if isinstance(found, pa.RecordBatchReader):
                yield dg.Output(file.batches(found))
            else:
                file.check()  # before the answer is stored, not after
                if isinstance(found, Answer):
                    yield dg.Output(found.rows, metadata=_metadata(found))
                else:
                    yield dg.Output(found)

    return answer


def _metadata(answer: Answer) -> dict[str, Any]:
    return {"artifact/answer": dg.MetadataValue.md(answer.page), **answer.figures}
