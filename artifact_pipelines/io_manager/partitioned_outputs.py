"""What a run over partitions puts out: one value, or a value for each partition. No Dagster here."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from artifact_pipelines.core.exceptions import PartitionedOutputError, first_names


def values_by_partition(
    asset: str, partitions: Sequence[str], value: object, may_be_several: bool
) -> Iterable[tuple[str, object]] | None:
    """Return the value of each partition, in order; None when there is one partition, and one value.

    Args:
        asset: Whose partitions they are, for errors.
        partitions: Those that the run covers, in order.
        value: What it put out. For several partitions a mapping, or a generator of pairs, which is asked for the next
            pair when the one before has been stored.
        may_be_several: Whether runs of the asset may cover several partitions. Then a generator is one of pairs for
            one partition too, and so is a mapping whose only key is the partition; any other mapping is a value.

    Raises:
        PartitionedOutputError: It is not one value for each partition; of a generator this is found when it is read.
    """
    several = len(partitions) > 1
    if isinstance(value, Generator) and (several or may_be_several):
        return _checked_pairs(asset, partitions, value)
    if isinstance(value, Mapping) and (several or (may_be_several and list(value) == list(partitions))):
        _check_keys(asset, partitions, list(value))
        return [(partition, value[partition]) for partition in partitions]
    if several:
        kind = type(value)
        title = f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
        raise PartitionedOutputError(asset, len(partitions), f"what it put out is one {title}")
    return None


def _checked_pairs(asset: str, partitions: Sequence[str], pairs: Iterator[object]) -> Iterator[tuple[str, object]]:
    left = dict.fromkeys(partitions)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            problem = f"it put out a generator of {type(pair).__qualname__}, not of pairs"
            raise PartitionedOutputError(asset, len(partitions), problem)
        if pair[0] not in left:
            problem = f"{pair[0]!r:.200} is " + ("none of them" if pair[0] not in partitions else "there twice")
            raise PartitionedOutputError(asset, len(partitions), problem)
        del left[pair[0]]
        yield pair
    _check_keys(asset, partitions, [key for key in partitions if key not in left])


def _check_keys(asset: str, partitions: Sequence[str], keys: Sequence[object]) -> None:
    given, wanted = dict.fromkeys(keys), dict.fromkeys(partitions)
    missing = [str(key) for key in wanted if key not in given]
    unknown = [str(key) for key in given if key not in wanted]
    problems = []
    if missing:
        problems.append(f"a value is missing for {first_names(missing)}")
    if unknown:
        problems.append(f"{first_names(unknown)} is none of them")
    if problems:
        raise PartitionedOutputError(asset, len(partitions), ", and ".join(problems))
