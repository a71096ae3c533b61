"""Threads that run one at a time and switch at every step, in an order that a test chooses.

A step is a call of catalog or backend: one transaction, or one operation on bytes. So an order of steps is one way in
which processes can meet, and it can be forced, repeated and counted.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import GeneratorType
from typing import Any

from artifact_pipelines.core.exceptions import ArtifactError

TIMEOUT_S = 60

Choice = Callable[[Sequence[str]], str]
"""Chooses the next of the waiting actors."""


def at_random(seed: int) -> Choice:
    return random.Random(seed).choice


def by_plan(plan: Sequence[tuple[str, int]]) -> Choice:
    """Let actors make a number of steps each, one after another; then let each finish, in the same order."""
    steps = [name for name, count in plan for _ in range(count)]
    order = [*steps, *(name for name, _ in plan)]

    def choose(waiting: Sequence[str]) -> str:
        while steps:
            name = steps.pop(0)
            if name in waiting:
                return name
        return next((name for name in order if name in waiting), waiting[0])

    return choose


class Turns:
    """One run of several actors.

    Args:
        choose: Chooses the next actor.
        between: Called between any two steps, while no actor runs.

    Attributes:
        made: All steps so far, in order.
        errors: Assertions and errors of the package that actors raised. Other errors end the test.
    """

    def __init__(self, choose: Choice, between: Callable[[], None]) -> None:
        self.made: list[str] = []
        self.errors: list[Exception] = []
        self._choose = choose
        self._between = between
        self._back = threading.Semaphore(0)
        self._go: dict[str, threading.Semaphore] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._waiting: set[str] = set()
        self._current = ""

    def run(self, actors: Mapping[str, Callable[[], None]]) -> None:
        """Run all actors to their end."""
        self._go = {name: threading.Semaphore(0) for name in actors}
        self._locks = {name: threading.RLock() for name in actors}
        self._waiting = set(actors)
        threads = [threading.Thread(target=self._act, args=item, daemon=True) for item in actors.items()]
        for thread in threads:
            thread.start()
        while self._waiting:
            self._current = self._choose(sorted(self._waiting))
            self._go[self._current].release()
            assert self._back.acquire(timeout=TIMEOUT_S), f"{self._current} hangs after {self.made[-5:]}"
            self._between()
        self._current = ""
        for thread in threads:
            thread.join(TIMEOUT_S)

    def step(self, what: str, do: Callable[[], Any]) -> Any:
        """Wait for the next turn of the running actor, then do something."""
        actor = self._current
        if not actor:  # before or after the run
            return do()
        with self._locks[actor]:  # threads of one actor run one after another
            self._back.release()
            self._take_turn(actor)
            self.made.append(f"{actor}: {what}")
            return do()

    def _act(self, name: str, act: Callable[[], None]) -> None:
        self._take_turn(name)
        try:
            act()
        except (ArtifactError, AssertionError) as error:
            self.errors.append(error)
        finally:
            self._waiting.remove(name)
            self._back.release()

    def _take_turn(self, actor: str) -> None:
        assert self._go[actor].acquire(timeout=TIMEOUT_S), f"{actor} never gets its turn"


class Stepwise:
    """Makes every method call of an object a step, and every item of a generator that it returns."""

    def __init__(self, inner: object, turns: Turns, name: str = "") -> None:
        self._inner = inner
        self._turns = turns
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value):
            is_group = type(value).__module__.startswith("artifact_pipelines.catalog")
            return Stepwise(value, self._turns, name) if is_group else value

        def call(*args: Any, **kwargs: Any) -> Any:
            what = f"{self._name}.{name}"
            result = self._turns.step(what, lambda: value(*args, **kwargs))
            return self._stepwise(what, result) if isinstance(result, GeneratorType) else result

        return call

    def _stepwise(self, what: str, items: Iterator[Any]) -> Iterator[Any]:
        while (item := self._turns.step(what, lambda: next(items, None))) is not None:
            yield item
