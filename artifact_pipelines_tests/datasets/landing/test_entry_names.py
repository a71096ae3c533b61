"""Names as text and back, and globs that match them."""

import os
import pathlib

import hypothesis
import hypothesis.strategies as st
import pytest

from artifact_pipelines.datasets.landing.entry_names import SourceGlob, from_text, to_text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"flights.csv", "flights.csv"),
        ("f\u00fcr \u65e5\u672c.csv".encode(), "f\u00fcr \u65e5\u672c.csv"),
        (b"caf\xe9.csv", r"caf\xe9.csv"),
        (rb"caf\xe9.csv", r"caf\\xe9.csv"),
        (b"two\nlines\x1b[31m.csv", r"two\x0alines\x1b[31m.csv"),
        ("right\u202eto-left".encode(), r"right\xe2\x80\xaeto-left"),
    ],
)
def test_bytes_that_are_no_readable_text_are_escaped(name: bytes, text: str) -> None:
    assert to_text(os.fsdecode(name)) == text
    assert os.fsencode(from_text(text)) == name


@hypothesis.given(st.binary())
def test_every_name_has_one_text(name: bytes) -> None:
    text = to_text(os.fsdecode(name))
    assert text.isprintable()
    assert os.fsencode(from_text(text)) == name


@hypothesis.given(st.text())
def test_every_text_is_taken(text: str) -> None:
    assert from_text(to_text(from_text(text))) == from_text(text)


_PATHS = ["a.csv", "sub/b.csv", "sub/deep/c.csv", "sub/b.txt", "x/a.csv", ".hidden/d.csv", "sub/.e.csv", "a.CSV"]


@pytest.mark.parametrize(
    "source", ["*.csv", "*/*.csv", "**/*.csv", "sub/**/*.csv", "**/sub/*", "a.csv", "s[a-u]b/*", "./sub//*", "sub/?.*"]
)
def test_glob_matches_as_a_shell_does(source: str, tmp_path: pathlib.Path) -> None:
    for path in _PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = (path.relative_to(tmp_path) for path in tmp_path.glob(source) if path.is_file())
    shown = [str(path) for path in found if not any(part.startswith(".") for part in path.parts)]
    glob = SourceGlob(source)
    assert sorted(shown) == sorted(path for path in _PATHS if _matches(glob, path))


def _matches(glob: SourceGlob, path: str) -> bool:
    state = glob.start
    for name in path.split("/"):
        state = glob.step(state, name)
    return glob.is_match(state)
