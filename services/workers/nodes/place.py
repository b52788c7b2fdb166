"""Where a node writes and what it reads: the same rules for every media node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from services.workers.media.probe import probe
from services.workers.nodes.base import NodeContext
from shared.model.failure import InvalidInput
from shared.model.task import Task
from shared.mps.media import MediaMetaData
from shared.mps.naming import NumberFormat, OutputNames
from shared.mps.storage import S3OutputStorage, TaskOutputStorage


@dataclass(frozen=True, slots=True)
class Place:
    """The bucket of a node's outputs. The node's own OutputStorage goes before the task's target (MPS_API §5.2);
    `type` is whichever of the two spells it."""

    bucket: str
    region: str
    type: Literal["COS", "AWS-S3"] = "COS"

    @classmethod
    def of(cls, task: Task, own: TaskOutputStorage | None) -> Place:
        """Raises InvalidInput for storage that needs other keys than the worker's."""
        if own and own.s3_output_storage and own.s3_output_storage.s3_secret_id:
            raise InvalidInput("OutputStorage.S3OutputStorage.S3SecretId is not supported yet")
        bucket = (own.bucket if own else None) or task.target.bucket
        region = (own.region if own else None) or task.target.region
        return cls(bucket, region, own.type if own else task.target.type)

    @property
    def storage(self) -> TaskOutputStorage:
        """The bucket in the spelling of its type, for results."""
        if self.type == "AWS-S3":
            return TaskOutputStorage(
                type="AWS-S3", s3_output_storage=S3OutputStorage(s3_bucket=self.bucket, s3_region=self.region)
            )
        return TaskOutputStorage.cos(self.bucket, self.region)

    def check(self, task: Task, keys: Iterable[str]) -> None:
        """Raises InvalidInput if outputs would overwrite each other, the run's input or the node's source."""
        seen: set[str] = set()
        for key in keys:
            if key in seen:
                raise InvalidInput(f"two outputs would have the same path /{key}")
            seen.add(key)
            if any(taken.bucket == self.bucket and taken.key == key for taken in (task.original, task.source)):
                raise InvalidInput(f"OutputObjectPath: /{key} would overwrite the source")


def names_of(task: Task, definition: int, numbers: NumberFormat) -> OutputNames:
    """How the outputs of this task are named: after the run's input, in the target directory."""
    return OutputNames(task.original.key, definition, task.target.dir, numbers)


async def local_source(context: NodeContext) -> Path:
    """The source as a local file whose name means nothing to ffmpeg."""
    path = await context.fetch_source()
    if "%" not in path.name:
        return path
    # The image demuxer would take the name for a pattern and read other files.
    link = context.scratch / f"source{path.suffix if '%' not in path.suffix else ''}"
    link.symlink_to(path)
    return link


async def read_source(context: NodeContext) -> tuple[Path, MediaMetaData]:
    """The source as a local file with what it is, from the probe node if it was that file, else probed now."""
    path = await local_source(context)
    if context.task.metadata is not None:
        try:
            known = MediaMetaData.model_validate(context.task.metadata)
            if known.facts is not None:
                return path, known
        except ValidationError:
            pass  # written by another version
    return path, await probe(path)


def md5_of(path: Path) -> str:
    """Hex digest of a file, as the contract's `Md5`; blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
