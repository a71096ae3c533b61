"""The contract of `ILandingZone`: what a landing zone of any kind promises."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import pytest

from artifact_pipelines.core.exceptions import ArtifactError, SourceError
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.entry_names import SourceGlob
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceUnreadableError, SourceVanishedError


class LandingDoor(Protocol):
    """How people drop files, past the class under test."""

    def drop(self, path: str, data: bytes) -> None:
        """Put a file there; the path is one of UTF-8."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file."""
        ...


class LandingPlace(NamedTuple):
    """A new, empty landing zone, and a way into it."""

    zone: ILandingZone
    door: LandingDoor


def listed(zone: ILandingZone, source: str) -> dict[str, Sighting]:
    """Return the entries that match, by path."""
    return {sighting.path: sighting for sighting in zone.list_entries(SourceGlob(source))}


def read(zone: ILandingZone, path: str) -> bytes:
    """Return the bytes of a file."""
    with zone.open(path) as stream:
        return stream.read()


class Torn(io.RawIOBase):
    """A stream that raises after its first bytes."""

    def __init__(self) -> None:
        self._pieces = iter([b"1"])

    def readinto(self, buffer: Any, /) -> int:
        for piece in self._pieces:
            buffer[: len(piece)] = piece
            return len(piece)
        raise OSError("torn")

    def readable(self) -> bool:
        return True


class Slow(io.BytesIO):
    """A stream during whose first read something happens."""

    def __init__(self, data: bytes, meanwhile: Callable[[], None]) -> None:
        super().__init__(data)
        self._meanwhile: Callable[[], None] | None = meanwhile

    def read(self, size: int | None = -1, /) -> bytes:
        if self._meanwhile:
            self._meanwhile()
            self._meanwhile = None
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(memoryview(buffer).nbytes)
        buffer[: len(data)] = data
        return len(data)


class LandingZoneContract:
    """Subclass it with a fixture `place`."""

    def test_empty_zone_lists_nothing(self, place: LandingPlace) -> None:
        assert listed(place.zone, "**/*") == {}

    def test_matching_files_are_listed_with_their_sizes_in_order(self, place: LandingPlace) -> None:
        for path in ("b.csv", "a.csv", "sub/c.csv", "sub/deep/d.csv", ".hidden.csv", ".git/e.csv", "other.txt"):
            place.door.drop(path, path.encode())
        assert list(listed(place.zone, "*.csv")) == ["a.csv", "b.csv"]
        assert list(listed(place.zone, "sub/*")) == ["sub/c.csv", "sub/deep"]
        everything = listed(place.zone, "**/*.csv")
        assert list(everything) == ["a.csv", "b.csv", "sub/c.csv", "sub/deep/d.csv"]
        assert [entry.size_bytes for entry in everything.values()] == [5, 5, 9, 14]
        assert not any(entry.problem for entry in everything.values())

    def test_folder_with_a_matching_name_is_an_entry_with_its_problem(self, place: LandingPlace) -> None:
        place.door.drop("x.csv/a.txt", b"1")
        assert listed(place.zone, "*.csv")["x.csv"].problem == "it is a folder, not a regular file"

    def test_look_is_as_the_listing(self, place: LandingPlace) -> None:
        place.door.drop("sub/a.csv", b"1")
        assert place.zone.look("sub/a.csv") == listed(place.zone, "sub/*")["sub/a.csv"]
        assert place.zone.look("sub/b.csv") is None

    def test_change_of_the_content_changes_the_sighting(self, place: LandingPlace) -> None:
        place.door.drop("a.csv", b"1")
        before = place.zone.look("a.csv")
        place.door.drop("a.csv", b"2")
        assert place.zone.look("a.csv") != before

    @pytest.mark.parametrize(
        "name", ["a b+&?#%41.csv", "f\u00fcr \u65e5\u672c.csv", "back\\slash.csv", "no\u00a0break.csv"]
    )
    def test_file_of_any_name_is_opened_by_its_listed_path(self, place: LandingPlace, name: str) -> None:
        place.door.drop(name, b"1")
        [path] = listed(place.zone, "*.csv")
        assert path.isprintable()
        assert read(place.zone, path) == b"1"

    def test_stream_is_seekable_and_named(self, place: LandingPlace) -> None:
        place.door.drop("sub/a.csv", b"0123456789")
        with place.zone.open("sub/a.csv") as stream:
            assert stream.seek(0, 2) == 10
            stream.seek(5)
            assert stream.read(2) == b"56"
            assert str(stream.name).endswith("a.csv")

    def test_missing_file_cannot_be_opened(self, place: LandingPlace) -> None:
        with pytest.raises(SourceVanishedError, match=r"gone\.csv"):
            place.zone.open("gone.csv")

    def test_file_that_is_replaced_while_it_is_read_is_refused(self, place: LandingPlace) -> None:
        place.door.drop("a.csv", b"1" * 1_000_000)
        with place.zone.open("a.csv") as stream:
            stream.read(10)
            place.door.drop("a.csv", b"2" * 1_000_000)
            with pytest.raises(SourceChangedError):
                while stream.read(1 << 16):
                    pass

    def test_file_that_is_deleted_while_it_is_read_is_refused(self, place: LandingPlace) -> None:
        place.door.drop("a.csv", b"1" * 1_000_000)
        with place.zone.open("a.csv") as stream:
            stream.read(10)
            place.door.delete("a.csv")
            with pytest.raises(SourceError):
                while stream.read(1 << 16):
                    pass

    def test_put_file_appears_whole_and_replaces_another(self, place: LandingPlace) -> None:
        place.door.drop("sub/a.csv", b"old")
        for path in ("sub/a.csv", "new/b.csv"):
            place.zone.put(io.BytesIO(b"1" * 3_000_000), path, place.zone.look(path))
        assert list(listed(place.zone, "**/*")) == ["new/b.csv", "sub/a.csv"]
        assert read(place.zone, "sub/a.csv") == b"1" * 3_000_000

    @pytest.mark.parametrize("before", [None, b"old"])
    def test_put_does_not_replace_what_has_come_meanwhile(self, place: LandingPlace, before: bytes | None) -> None:
        if before:
            place.door.drop("a.csv", before)
        seen = place.zone.look("a.csv")
        slow = Slow(b"mine", lambda: place.door.drop("a.csv", b"another's"))
        with pytest.raises(SourceChangedError):
            place.zone.put(cast("BinaryIO", slow), "a.csv", seen)
        assert read(place.zone, "a.csv") == b"another's"
        assert list(place.zone.list_entries(SourceGlob("**/*", ()))) == list(listed(place.zone, "a.csv").values())

    def test_put_takes_the_place_of_what_has_gone_meanwhile(self, place: LandingPlace) -> None:
        place.door.drop("a.csv", b"old")
        seen = place.zone.look("a.csv")
        slow = Slow(b"mine", lambda: place.door.delete("a.csv"))
        place.zone.put(cast("BinaryIO", slow), "a.csv", seen)
        assert read(place.zone, "a.csv") == b"mine"

    def test_put_leaves_nothing_if_its_stream_raises(self, place: LandingPlace) -> None:
        place.door.drop("a.csv", b"old")
        with pytest.raises(ArtifactError):
            place.zone.put(cast("BinaryIO", Torn()), "a.csv", place.zone.look("a.csv"))
        assert list(place.zone.list_entries(SourceGlob("**/*", ()))) == list(listed(place.zone, "a.csv").values())
        assert read(place.zone, "a.csv") == b"old"

    @pytest.mark.parametrize("path", ["../a.csv", "/a.csv", "sub/../../a.csv", "", r"a\x00b.csv"])
    def test_put_leads_not_outside(self, place: LandingPlace, path: str) -> None:
        with pytest.raises(SourceUnreadableError):
            place.zone.put(io.BytesIO(b"1"), path)

    def test_moved_file_lies_at_its_target_only(self, place: LandingPlace) -> None:
        place.door.drop("sub/a.csv", b"1")
        place.door.drop("away/x/a.csv", b"old")
        place.zone.move(listed(place.zone, "sub/*")["sub/a.csv"], "away/x/a.csv")
        assert list(listed(place.zone, "**/*")) == ["away/x/a.csv"]
        assert read(place.zone, "away/x/a.csv") == b"1"

    def test_file_that_has_changed_is_not_moved(self, place: LandingPlace) -> None:
        place.door.drop("a.csv", b"1")
        seen = listed(place.zone, "*")["a.csv"]
        place.door.drop("a.csv", b"22")
        with pytest.raises(SourceChangedError):
            place.zone.move(seen, "b.csv")
        assert read(place.zone, "a.csv") == b"22"

    def test_removed_file_is_gone(self, place: LandingPlace) -> None:
        place.door.drop("sub/a.csv", b"1")
        seen = listed(place.zone, "**/*.csv")["sub/a.csv"]
        place.zone.remove(seen)
        assert listed(place.zone, "**/*.csv") == {}
        with pytest.raises(SourceVanishedError):
            place.zone.remove(seen)

    def test_file_that_has_changed_is_not_removed(self, place: LandingPlace) -> None:
        place.door.drop("a.csv", b"1")
        seen = listed(place.zone, "*")["a.csv"]
        place.door.drop("a.csv", b"22")
        with pytest.raises(SourceChangedError):
            place.zone.remove(seen)
        assert read(place.zone, "a.csv") == b"22"
