"""A JSON object whose fields are asked for by key and kind, each once. Pure."""

import re

from manifests.errors import FormatError

HEX_64 = re.compile("[0-9a-f]{64}")


class JsonObject:
    """A JSON object that hands out each of its fields once, typed, and complains about those nobody asked for."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise FormatError(
                f"{where}: expected an object, found {type(value).__name__}; not a manifest of this format"
            )
        self.fields: dict[str, object] = dict(value)
        self.where = where

    def take(self, key: str) -> object:
        """The value of a key."""
        if key not in self.fields:
            raise FormatError(f"{self.where}: the key {key!r} is missing; not a manifest of this format")
        return self.fields.pop(key)

    def text(self, key: str) -> str:
        """A string."""
        value = self.take(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a string", value)
        return value

    def integer(self, key: str) -> int:
        """An integer from 0."""
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(key, "an integer from 0", value)
        return value

    def digest(self, key: str) -> str:
        """64 hex digits."""
        value = self.text(key)
        if not HEX_64.fullmatch(value):
            raise self.wrong(key, "64 hex digits", value)
        return value

    def path(self, key: str) -> str:
        """A path that stays below the folder it is looked for in."""
        value = self.text(key)
        if {"", ".", ".."} & set(value.split("/")) or "\0" in value:
            raise self.wrong(key, "a relative path without '.' or '..'", value)
        return value

    def inner(self, key: str) -> "JsonObject":
        """An object."""
        return JsonObject(self.take(key), f"{self.where}: {key}")

    def objects(self, key: str) -> "list[JsonObject]":
        """A list of objects."""
        value = self.take(key)
        if not isinstance(value, list):
            raise self.wrong(key, "a list", value)
        return [JsonObject(item, f"{self.where}: {key} {place}") for place, item in enumerate(value, 1)]

    def texts(self, key: str) -> dict[str, str]:
        """An object of strings."""
        inner = self.inner(key)
        return {name: inner.text(name) for name in list(inner.fields)}

    def everything(self) -> dict[str, object]:
        """All that was not asked for yet."""
        return self.fields

    def finish(self) -> None:
        """Raise FormatError if there is anything that nobody asked for."""
        if self.fields:
            raise FormatError(
                f"{self.where}: unknown keys {sorted(self.fields)}; a newer version may be needed"
            )

    def wrong(self, key: str, expected: str, value: object) -> FormatError:
        """What is wrong with a value, as an error."""
        return FormatError(f"{self.where}: {key} must be {expected}, found {str(value)[:80]!r}")
