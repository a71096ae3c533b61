"""Which of the files that a step loaded each partition of its output was made from.

One idea: a run over several partitions loads the inputs of all of them at once, by the partition mappings of its asset;
the same mappings tell them apart again. What was loaded by hand belongs to the partition of its key. What no mapping is
about, or reaches, went into every partition.
"""

from collections.abc import Callable, Iterable, Sequence

import dagster as dg

from artifact_pipelines.core.types import LoadedInput

_Places = dict[str, list[int]]


def inputs_by_partition(
    context: dg.OutputContext, partitions: Sequence[str | None], loaded: Sequence[LoadedInput]
) -> Sequence[tuple[LoadedInput, ...]]:
    """Return what each partition of an output was made from, in the order in which it was loaded.

    Where an asset's partitions depend on those of the same key, this takes as long as there are partitions.

    Args:
        context: Of the output.
        partitions: Those that it covers; one alone was made from all that was loaded.
        loaded: What its step has loaded.
    """
    if len(partitions) == 1:
        return [tuple(loaded)]
    mapped: dict[str, tuple[_Places, Callable[[str], Iterable[str]]]] = {}
    for place, one in enumerate(loaded):
        if one.partition is None:
            continue
        if one.asset not in mapped:
            mapped[one.asset] = {}, _upstream_of(context, one.asset)
        mapped[one.asset][0].setdefault(one.partition, []).append(place)
    reached = [
        [place for held, upstream in mapped.values() for key in upstream(partition) for place in held.get(key, ())]
        for partition in map(str, partitions)
    ]
    of_all = set(range(len(loaded))).difference(*reached)
    return [tuple(loaded[place] for place in sorted({*places, *of_all})) for places in reached]


def _upstream_of(context: dg.OutputContext, asset: str) -> Callable[[str], Iterable[str]]:
    """Return what says which partitions of an asset a partition of the output depends on: Dagster has loaded those.

    On an asset that the code of the step has loaded, and that it does not depend on, those of the same key do.
    """
    step, definition = context.step_context, context.asset_partitions_def
    layer, assets = step.job_def.asset_layer, step.assets_def
    keys = [layer.get_asset_key_for_node_input(step.node_handle, name) for name in step.op_def.input_dict]
    upstream = next((key for key in keys if key and key.to_user_string() == asset), None)
    if upstream is None:
        return lambda partition: (partition,)
    upstream_definition = layer.get(upstream).partitions_def
    assert assets is not None  # an output with partitions is one of an asset,
    assert upstream_definition is not None  # and so is an input
    mapping = assets.infer_partition_mapping(context.asset_key, upstream, upstream_definition)
    if isinstance(mapping, dg.IdentityPartitionMapping):  # Dagster may list all partitions for each
        return lambda partition: (partition,)

    def mapped(partition: str) -> Iterable[str]:
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(
            definition.subset_with_partition_keys([partition]),
            definition,
            upstream_definition,
            dynamic_partitions_store=step.instance,
        )
        return map(str, found.partitions_subset.get_partition_keys())  # keys of several dimensions are a kind of text

    return mapped
