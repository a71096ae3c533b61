"""Random sequences of operations and crashes on a store, against a model that fits in a dictionary."""

import io
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from artifact_pipelines.core.exceptions import NotHeldError, UnknownFileError
from artifact_pipelines.core.types import FileId
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines_tests.stress.acts import Unseekable
from artifact_pipelines_tests.stress.aftermath import Aftermath
from artifact_pipelines_tests.stress.place import OpenPlace, Place

CONTENTS = {name: name.encode() * size for name, size in [("a", 1), ("b", 1), ("c", 5000), ("d", 0)]}
LAST_STEP = 12
NAMES = strategies.sampled_from(sorted(CONTENTS))


class PowerCut(BaseException):
    """The process ends here."""


class Doomed:
    """A collaborator whose process dies before or after the n-th call, counted over all collaborators."""

    def __init__(self, inner: object, calls: list[int], last: int, is_done: bool) -> None:
        self._inner = inner
        self._calls = calls
        self._last = last
        self._is_done = is_done

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value) or name == "stage":
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls[0] += 1
            if self._calls[0] > self._last or (self._calls[0] == self._last and not self._is_done):
                raise PowerCut  # also from then on: a dead process undoes nothing
            result = value(*args, **kwargs)
            if self._calls[0] == self._last:
                raise PowerCut
            return result

        return call


class StoreMachine(RuleBasedStateMachine):
    """The model: the number of certain references to each content, and how many more there may be."""

    place: ClassVar[Place]
    opened: ClassVar[OpenPlace]
    engine: ClassVar[sa.Engine]

    @initialize()
    def start_empty(self) -> None:
        self.after = Aftermath(self.place, self.engine)
        self.held: dict[str, int] = dict.fromkeys(CONTENTS, 0)
        self.in_doubt: dict[str, int] = dict.fromkeys(CONTENTS, 0)
        self.ids: dict[str, FileId] = {}
        self.highest = self.opened.catalog.files.highest_file_id()

    @rule(name=NAMES, stream=strategies.sampled_from([io.BytesIO, Unseekable]))
    def create(self, name: str, stream: Callable[[bytes], io.BytesIO]) -> None:
        file_id = self.opened.producer.create_artifact(stream(CONTENTS[name]), "bin")
        if self.held[name]:
            assert file_id == self.ids[name]
        self.held[name] += 1
        self.ids[name] = file_id

    @rule(name=NAMES, last=strategies.integers(1, LAST_STEP), is_done=strategies.booleans())
    def create_and_die(self, name: str, last: int, is_done: bool) -> None:
        calls = [0]
        files: Any = Doomed(self.opened.catalog.files, calls, last, is_done)
        backend: Any = Doomed(self.opened.backend, calls, last, is_done)
        try:
            file_id = ArtifactProducer(files, backend).create_artifact(io.BytesIO(CONTENTS[name]), "bin")
        except PowerCut:
            self.in_doubt[name] += 1
        else:
            self.held[name] += 1
            self.ids[name] = file_id

    @precondition(lambda self: any(self.held.values()))
    @rule(data=strategies.data())
    def release(self, data: strategies.DataObject) -> None:
        name = data.draw(strategies.sampled_from([name for name, count in self.held.items() if count]))
        self.opened.producer.release(self.ids[name])
        self.held[name] -= 1

    @precondition(lambda self: self.ids)
    @rule(data=strategies.data())
    def release_without_a_reference(self, data: strategies.DataObject) -> None:
        name = data.draw(strategies.sampled_from(sorted(self.ids)))
        if not self.held[name] and not self.in_doubt[name]:
            with pytest.raises((NotHeldError, UnknownFileError)):
                self.opened.producer.release(self.ids[name])

    @rule()
    def expire_leases(self) -> None:
        self.after.expire_leases()

    @rule()
    def collect(self) -> None:
        self.opened.clean_up()

    @rule()
    def verify(self) -> None:
        assert not self.opened.verify()

    @precondition(lambda self: any(self.held.values()))
    @rule(data=strategies.data())
    def lose_and_heal_bytes(self, data: strategies.DataObject) -> None:
        name = data.draw(strategies.sampled_from([name for name, count in self.held.items() if count]))
        self.opened.backend.delete_file(self.opened.catalog.files.get_file(self.ids[name]).storage_path)
        self.create(name, io.BytesIO)

    @invariant()
    def held_files_are_readable(self) -> None:
        for name, count in self.held.items():
            if count:
                assert self.opened.read(self.ids[name]) == CONTENTS[name]
                references = self.opened.catalog.files.get_file(self.ids[name]).reference_count
                assert count <= references <= count + self.in_doubt[name]

    @invariant()
    def counts_match_references(self) -> None:
        assert not self.after.miscounted()

    @invariant()
    def ids_are_never_reused(self) -> None:
        highest = self.opened.catalog.files.highest_file_id()
        assert highest >= max(self.ids.values(), default=FileId(0))

    def teardown(self) -> None:
        """Check that a clean-up removes everything without a holder, and one after releasing all the rest."""
        self.after.expire_leases()
        self.opened.clean_up()
        assert not self.after.left_over()
        assert not self.after.unreadable()
        for file in self.opened.catalog.files.list_files(limit=100):
            for _ in range(file.reference_count):
                self.opened.producer.release(file.file_id)
        self.opened.clean_up()
        assert not list(self.opened.backend.list_files())


def test_store_agrees_with_its_model(place: Place, engine: sa.Engine, is_stress: bool) -> None:
    with place.open() as opened:
        machine = type("Machine", (StoreMachine,), {"place": place, "opened": opened, "engine": engine})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=300 if is_stress else 8 if place.is_fast else 2,
                stateful_step_count=40 if is_stress else 20,
                deadline=None,
                derandomize=not is_stress,
                database=None,
                print_blob=True,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
