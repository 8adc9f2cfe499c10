"""YAML that anybody may have written: data alone, and no name twice."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import yaml


class _UniqueKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which no name occurs twice in a mapping: PyYAML takes the last one."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        require_once(key for key in keys if isinstance(key, Hashable))
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


class _WithTuples(_UniqueKeys):
    """That, with the one tag of Python's that makes nothing but a list."""


_WithTuples.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: loader.construct_sequence(node)
)


def yaml_tree(text: bytes | str, *, tuples: bool = False) -> Any:
    """What a YAML text holds: mappings, lists, texts, numbers.

    Args:
        text: The file's content.
        tuples: Take !!python/tuple for a list, where configs were made for loaders of old.

    Raises:
        ValueError: a name stands twice in a mapping.
        yaml.YAMLError: it is no YAML, or holds objects.
        RecursionError: it is thousands of levels deep.
    """
    return yaml.load(text, Loader=_WithTuples if tuples else _UniqueKeys)


def require_once(keys: Iterable[Any]) -> None:
    """Refuse names of which one stands twice.

    Raises:
        ValueError: one does.
    """
    seen = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"the name {key!r} stands twice in one place")
        seen.add(key)
