"""What the nodes that make pictures have in common (MPS_API §7, §10.1)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, field_validator, model_validator

from shared.mps.base import MpsModel
from shared.mps.naming import NUMBER_VARIABLES, PLAIN_VARIABLES, NamingError, NumberFormat, check_path
from shared.mps.storage import TaskOutputStorage

MAX_PICTURES = 1000
"""Of one node [OURS]."""


def _image_size(value: int) -> int:
    if value != 0 and not 128 <= value <= 4096:
        raise ValueError("must be 0 or 128 to 4096")
    return value


ImageSize = Annotated[int, AfterValidator(_image_size)]


def usable_path(field: str, value: str | None, variables: Collection[str], *, relative: bool = False) -> str | None:
    """A path of a user, checked. Raises ValueError with the rule that it breaks."""
    if not value:
        return value
    try:
        check_path(field, value, variables, relative=relative)
    except NamingError as error:
        raise ValueError(error.rule) from None
    return value


class ImageTaskInput(MpsModel):
    """Where the pictures go and how they are named."""

    path_variables: ClassVar[Collection[str]] = PLAIN_VARIABLES

    definition: int
    output_storage: TaskOutputStorage | None = None
    output_object_path: str | None = None
    ext_info: str | None = None

    @field_validator("output_object_path")
    @classmethod
    def _usable_path(cls, value: str | None) -> str | None:
        return usable_path("OutputObjectPath", value, cls.path_variables)

    @field_validator("ext_info")
    @classmethod
    def _no_extension(cls, value: str | None) -> str | None:
        if value:
            raise ValueError("is not supported yet")
        return value


class NumberedImageTaskInput(ImageTaskInput):
    """There may be more than one picture, and each has a number."""

    path_variables: ClassVar[Collection[str]] = PLAIN_VARIABLES | NUMBER_VARIABLES

    object_number_format: NumberFormat | None = None

    @property
    def numbers(self) -> NumberFormat:
        """How pictures are numbered."""
        return self.object_number_format or NumberFormat()

    @property
    def several(self) -> bool:
        """Whether there may be more than one."""
        return True

    @model_validator(mode="after")
    def _numbered(self) -> Self:
        path = self.output_object_path
        if self.several and path and not any(f"{{{name}}}" in path for name in NUMBER_VARIABLES):
            raise ValueError("OutputObjectPath must contain {number}: there is more than one picture")
        return self
