"""Strace shows that a create syncs its file and folders before it commits."""

import collections
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

_CALLS = "mkdir,mkdirat,pwrite64,pwritev2,write,fsync,fdatasync,syncfs,rename,renameat,renameat2,unlink"
_CREATES = """
import io, os, sys
from artifact_pipelines import NewArtifact, open_store

def begin(name):
    os.mkdir(f"{root}/begin-{name}")

def put(data):
    return store.create_artifact(io.BytesIO(data), "bin")

root = sys.argv[1]
with open_store(f"sqlite:///{root}/catalog.db", f"{root}/store") as store:
    begin("the first")
    first = put(b"first")
    begin("another")
    put(b"another")
    begin("a large one")
    put(b"large" * 1_000_000)
    begin("a duplicate")
    put(b"first")
    begin("one that heals")
    os.unlink(f"{root}/store/{store.info(first).storage_path}")
    put(b"first")
    begin("a batch")
    store.create_artifacts(NewArtifact(io.BytesIO(data), "bin") for data in (b"1", b"2", b"first", b"1"))
    begin("the end")
"""
_WRITTEN = {"the first": 1, "another": 1, "a large one": 1, "a duplicate": 0, "one that heals": 1, "a batch": 2}

Call = tuple[str, Sequence[str]]


@pytest.fixture(scope="module")
def creates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[Call]]:
    """The system calls of each create: their names and paths."""
    assert shutil.which("strace"), "strace is not installed, and nothing else shows syncs: apt-get install strace"
    folder = tmp_path_factory.mktemp("traced")
    trace = folder / "trace"
    command = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={_CALLS}", "-o", str(trace)]
    subprocess.run([*command, sys.executable, "-c", _CREATES, str(folder / "x")], check=True, cwd=folder)
    found: dict[str, list[Call]] = collections.defaultdict(list)
    title = "before"
    for name, paths in _calls(trace.read_text(), folder / "x"):
        if name == "mkdir" and paths[0].startswith("begin-"):
            title = paths[0].removeprefix("begin-")
        else:
            found[title].append((name, paths))
    return found


def _calls(trace: str, root: pathlib.Path) -> Sequence[Call]:
    """Return the successful calls in the order in which they ended, with their paths below a folder."""
    calls: list[Call] = []
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        process, text = line.split(maxsplit=1)
        if text.endswith("<unfinished ...>"):
            begun[process] = text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            text = begun.pop(process) + text.partition("resumed>")[2]
        found = re.findall(rf'[<"]{re.escape(str(root))}(?:/([^>"]*))?[>"]', text)
        paths = [path or "." for path in found]
        if paths and re.search(r"\) += \d+", text):
            calls.append((re.sub(r"at2?$", "", text.partition("(")[0]), paths))
    return calls


def unsynced_at_commits(calls: Sequence[Call]) -> Sequence[set[str]]:
    """Return the names on the way to a stored file that were not durable at each commit.

    A commit is a sync of SQLite's log. A name is durable if its folder was synced after its creation.
    """
    unsynced_bytes: set[str] = set()
    unsynced_names: set[str] = set()
    stored: set[str] = set()
    commits: list[set[str]] = []
    for name, paths in calls:
        if name in ("fsync", "fdatasync") and paths[0] == "catalog.db-wal":
            commits.append({made for made in unsynced_names if any(f"{x}/".startswith(f"{made}/") for x in stored)})
        elif name == "syncfs":
            unsynced_bytes.clear()
            unsynced_names.clear()
        elif name in ("fsync", "fdatasync"):
            unsynced_bytes.discard(paths[0])
            unsynced_names = {made for made in unsynced_names if str(pathlib.PurePath(made).parent) != paths[0]}
        elif name in ("pwrite64", "pwritev2", "write"):
            unsynced_bytes.add(paths[0])
        elif name == "mkdir":
            unsynced_names.add(paths[0])
        elif name == "rename":
            assert paths[0] not in unsynced_bytes, "its name may be durable before its bytes"
            unsynced_names.add(paths[1])
            stored.add(paths[1])
    return commits


@pytest.mark.parametrize("title", _WRITTEN)
def test_file_and_folders_are_durable_before_every_commit(creates: Mapping[str, Sequence[Call]], title: str) -> None:
    calls = creates[title]
    names = [name for name, _ in calls]
    assert names.count("rename") == _WRITTEN[title]
    commits = unsynced_at_commits(calls)
    assert commits == [set()] * 2, "one commit for the lease and one for the settlement"
    last_commit = max(i for i, (_, paths) in enumerate(calls) if paths[0] == "catalog.db-wal")
    assert "rename" not in names[last_commit:]


def test_trace_without_a_sync_is_out_of_order() -> None:
    put = [
        ("mkdir", ["store/ab"]),
        ("pwrite64", ["store/.staging/x"]),
        ("fsync", ["store/.staging/x"]),
        ("rename", ["store/.staging/x", "store/ab/file"]),
        ("fsync", ["store/ab"]),
        ("fsync", ["store"]),
    ]
    commit = ("fdatasync", ["catalog.db-wal"])
    assert unsynced_at_commits([*put, commit]) == [set()]
    assert unsynced_at_commits([*put[:-1], commit]) == [{"store/ab"}]
    assert unsynced_at_commits([*put[:4], put[5], commit]) == [{"store/ab/file"}]
    with pytest.raises(AssertionError, match="before its bytes"):
        unsynced_at_commits([*put[:2], *put[3:], commit])
