"""Names of outputs: variables, numbers and paths of the contract (MPS_API §8). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pydantic import Field, field_validator

from shared.errors import ReelwayError
from shared.mps.base import MpsModel

PLAIN_VARIABLES = frozenset({"inputName", "inputFormat", "format", "definition"})
NUMBER_VARIABLES = frozenset({"number", "segmentNumber"})
SUB_STREAM_VARIABLE = "subStreamNumber"
MAX_KEY_BYTES = 1024  # of an object key, S3 and COS alike

_VARIABLE = re.compile(r"\{([^{}]*)\}")
_UNSAFE_IN_NAME = re.compile(r"[\\/\x00-\x1f\x7f]")
_UNSAFE_IN_PATH = re.compile(r"[\\\x00-\x1f\x7f]")


class NamingError(ReelwayError):
    """An output path that cannot be used; the text names the rule, `field` the parameter."""

    code = "naming"

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} {rule}")
        self.field = field
        self.rule = rule


class NumberFormat(MpsModel):
    """How `{number}` is written. The first is `InitialValue`; each is filled up with `PlaceHolder` to `MinLength`."""

    initial_value: int = Field(default=0, ge=0, le=1_000_000_000)
    increment: int = Field(default=1, ge=1, le=1_000_000)
    min_length: int = Field(default=1, ge=0, le=20)
    place_holder: str = Field(default="0", max_length=1)

    @field_validator("place_holder")
    @classmethod
    def _harmless(cls, value: str) -> str:
        if value in ("/", ".", "{", "}") or _UNSAFE_IN_PATH.search(value):
            raise ValueError("must be a character that may stand in a file name")
        return value

    def render(self, index: int) -> str:
        """The number of the `index`-th output, counted from 0."""
        text = str(self.initial_value + index * self.increment)
        return text.rjust(self.min_length, self.place_holder or "0")


def check_path(field: str, path: str, variables: Collection[str], *, relative: bool = False) -> str:
    """A path with variables as a user wrote it. Raises NamingError naming the rule that it breaks.

    `variables` are those that mean something for this output. With `relative` a leading slash is refused.
    """
    for name in _VARIABLE.findall(path):
        if name not in variables:
            known = ", ".join(f"{{{known}}}" for known in sorted(variables))
            raise NamingError(field, f"has the variable {{{name[:64]}}}; it may have {known}")
    bare = _VARIABLE.sub("", path)
    if "{" in bare or "}" in bare:
        raise NamingError(field, "has a brace that belongs to no variable")
    if not path.endswith(".{format}"):
        raise NamingError(field, "must end with .{format}")
    if _UNSAFE_IN_PATH.search(path):
        raise NamingError(field, "must not contain backslashes or control characters")
    if relative and path.startswith("/"):
        raise NamingError(field, "must be relative: it must not begin with a slash")
    _check_parts(field, path)
    return path


def _check_parts(field: str, path: str) -> None:
    parts = path.removeprefix("/").split("/")
    if any(part in (".", "..") for part in parts):
        raise NamingError(field, "must not contain . or .. as a directory")
    if any(not part for part in parts):
        raise NamingError(field, "must not contain empty directories")


@dataclass(frozen=True, slots=True)
class OutputNames:
    """Names what one node writes.

    `input_key` is the key of the run's input, not of an intermediate file: names stay the same when a node is put
    before another [OURS]. `directory` begins and ends with a slash. Slashes, backslashes and control characters
    of the input's name become `_`.
    """

    input_key: str
    definition: int
    directory: str
    numbers: NumberFormat = field(default_factory=NumberFormat)

    def key(self, field: str, template: str, extension: str, index: int | None = None) -> str:
        """The object key (no leading slash) of the `index`-th output. Raises NamingError."""
        path = self._render(template, self._values(extension, index))
        key = path[1:] if path.startswith("/") else self.directory.removeprefix("/") + path
        _check_parts(field, key)
        if len(key.encode()) > MAX_KEY_BYTES:
            raise NamingError(field, f"gives a key of more than {MAX_KEY_BYTES} bytes")
        return key

    def sibling(
        self, field: str, template: str, extension: str, index: int | None = None, sub_stream: int | None = None
    ) -> str:
        """A name relative to another output, such as a segment beside its playlist. Raises NamingError."""
        name = self._render(template, self._values(extension, index, sub_stream))
        _check_parts(field, name)
        return name

    def shown(self, template: str, extension: str) -> str:
        """The path for an echo: as in the bucket, with a leading slash, with `{number}` left as it is."""
        path = self._render(template, self._values(extension, None))
        return path if path.startswith("/") else "/" + self.directory.removeprefix("/") + path

    def shown_sibling(self, template: str, extension: str, sub_stream: int | None = None) -> str:
        """A relative name for an echo, with `{number}` left as it is, and `{subStreamNumber}` if it is not given."""
        return self._render(template, self._values(extension, None, sub_stream))

    def _values(self, extension: str, index: int | None, sub_stream: int | None = None) -> dict[str, str]:
        name = PurePosixPath(_UNSAFE_IN_NAME.sub("_", self.input_key.rsplit("/", 1)[-1]))
        values = {
            "inputName": name.stem or "_",
            "inputFormat": name.suffix[1:],
            "format": extension,
            "definition": str(self.definition),
        }
        if index is not None:
            values["number"] = values["segmentNumber"] = self.numbers.render(index)
        if sub_stream is not None:
            values[SUB_STREAM_VARIABLE] = str(sub_stream)
        return values

    @staticmethod
    def _render(template: str, values: Mapping[str, str]) -> str:
        # One pass: braces inside a value stay text.
        return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), template)
