"""Globs over paths (manifests/FORMAT.md, section 2). Pure: folders and Hub repositories match by the same rules."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache

MAGIC = frozenset("*?[")


def has_magic(text: str) -> bool:
    """Whether a pattern is more than a plain path."""
    return not MAGIC.isdisjoint(text)


def name_matches(pattern: str, name: str) -> bool:
    """Whether a component of a path matches one of a pattern: as `fnmatch`, and a leading `.` only by itself."""
    return (pattern.startswith(".") or not name.startswith(".")) and fnmatchcase(name, pattern)


def path_matches(pattern: str, path: str) -> bool:
    """Whether a file's path matches a pattern, component by component.

    `**` alone is any number of directories, none of them hidden; at the end it is every file below that is not hidden.
    Takes time in proportion to the product of the two numbers of components.
    """
    if not has_magic(pattern):
        return path == pattern
    return _components_match(pattern.split("/"), path.split("/"))


def _components_match(patterns: Sequence[str], names: Sequence[str]) -> bool:
    @cache  # without it a path such as a/a/a/a against **/a/**/a/**/b would take exponential time
    def matches(at_pattern: int, at_name: int) -> bool:
        if at_pattern == len(patterns) or at_name == len(names):
            return at_pattern == len(patterns) and at_name == len(names)
        pattern, name = patterns[at_pattern], names[at_name]
        last_pattern, last_name = at_pattern == len(patterns) - 1, at_name == len(names) - 1
        if pattern == "**":
            if not last_pattern and matches(at_pattern + 1, at_name):
                return True
            hidden = name.startswith(".")
            if last_name:
                return last_pattern and not hidden
            return not hidden and matches(at_pattern, at_name + 1)
        return name_matches(pattern, name) and matches(at_pattern + 1, at_name + 1)

    return matches(0, 0)
