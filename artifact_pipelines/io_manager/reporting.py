"""Reports a stored output to Dagster: its data version, and its metadata in the order of the asset's page."""

from collections.abc import Sequence

import dagster as dg

from artifact_pipelines.instance.page import WITHDRAWN, in_page_order
from artifact_pipelines.io_manager.asked_outputs import RECORDED, OutputAsked
from artifact_pipelines.io_manager.outputs import Written
from artifact_pipelines.storage.hashing import combined_version


def report_written(context: dg.OutputContext, asked: OutputAsked, written: Sequence[Written]) -> None:
    """Report metadata and data version of an output to Dagster, as part of the step's own event.

    Dagster has one data version for all partitions of a run. A version that the user's code has set stays. Dagster
    would put the metadata of the step's own code first, so they are taken out of the output and reported at their place
    on the page. This is the one place that uses these semi-public calls of Dagster's; tests show that they work.
    """
    step, key = asked.step, asked.key
    own = {name: value for name, value in context.output_metadata.items() if name not in RECORDED}
    if isinstance(context.output_metadata, dict):
        context.output_metadata.clear()
    for record, metadata in written:
        if WITHDRAWN in metadata:
            context.log.warning(f"{asked.asset}: {record.publication_reason}.")
        if len(written) == 1:
            context.add_output_metadata(in_page_order({**own, **metadata}))
        elif step is not None:
            step.add_asset_metadata(in_page_order({**own, **metadata}), key, record.partition)
    if step is not None and key is not None and not step.has_data_version(key):
        versions = {str(record.partition): record.data_version for record, _ in written}
        version = written[0][0].data_version if len(written) == 1 else combined_version(versions)
        step.set_data_version(key, dg.DataVersion(version))
