"""Names of types, so that handlers can serve types of libraries that may not be installed, without importing them."""

import dataclasses
import importlib.util
import sys
import typing
from collections.abc import Sequence
from typing import Any

# Not listed in messages: another name of the same handler is enough.
_UNLISTED = {
    *("builtins.bytearray", "builtins.memoryview", "collections.Mapping", "collections.Sequence"),
    *("typing.IO", "io.IOBase", "io.RawIOBase", "io.BufferedIOBase", "_io.BufferedReader", "_io.BytesIO"),
}


def type_names(kind: Any) -> Sequence[str]:
    """Return the names of a class and its bases, nearest first, as `package.Name` and as `package.module.Name`.

    `dataclass` comes last for dataclasses.
    """
    kind = typing.get_origin(kind) or kind
    if not isinstance(kind, type):
        return ()
    names: list[str] = []
    for base in kind.__mro__:
        names += dict.fromkeys([type_title(base), f"{base.__module__}.{base.__qualname__}"])
    return [*names, "dataclass"] if dataclasses.is_dataclass(kind) else names


def type_title(kind: Any) -> str:
    """Return the name of a class as `package.Name`; of any other annotation its text."""
    return f"{kind.__module__.split('.')[0]}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


def is_installed(type_name: str) -> bool:
    """True if the package of a type is installed."""
    package, has_package, _ = type_name.partition(".")
    return not has_package or package in sys.modules or importlib.util.find_spec(package) is not None


def list_types(names_by_handler: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the types of handlers for a message: one text for each handler, without types not installed."""
    listed = [[name for name in names if name not in _UNLISTED and is_installed(name)] for names in names_by_handler]
    return list(dict.fromkeys(_join(names) for names in listed if names))


def _join(names: Sequence[str]) -> str:
    """Return names as one text that names each package once."""
    shown, before = [], "builtins"
    for name in names:
        package, _, short = name.rpartition(".")
        shown.append(short if package in (before, "builtins") else name)
        before = package
    shown = ["None" if name == "NoneType" else name for name in shown]
    return f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else shown[0]
