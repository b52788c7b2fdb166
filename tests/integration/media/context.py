"""A hand-written NodeContext: a local file as the source, no storage behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.workers.nodes.base import OutputFile
from shared.model.failure import InvalidInput
from shared.model.task import Lane, MediaObject, OutputTarget, Task


def task_for(kind: str, params: dict[str, Any], key: str = "in/clip.mp4", **more: Any) -> Task:
    """A task that reads `key` of bucket `in-1` and writes to `/out/` of bucket `out-1`."""
    source = MediaObject(bucket="in-1", region="ap-guangzhou", key=key, etag="e", size=1)
    return Task(
        id="run:1:1",
        tenant="1",
        run_id="run",
        pipeline_id="1",
        node=1,
        attempt=1,
        kind=kind,
        lane=Lane.MEDIA,
        params=params,
        original=source,
        source=source,
        target=OutputTarget(bucket="out-1", region="ap-guangzhou", dir="/out/"),
        queued_at=datetime(2026, 11, 23, tzinfo=UTC),
        **more,
    )


@dataclass
class FakeContext:
    """Remembers the progress it was told, and with `early` what lay in the files that it was offered."""

    task: Task
    scratch: Path
    source: Path
    progress: list[float] = field(default_factory=list)
    objects: dict[str, Path] = field(default_factory=dict)
    """Files beside the source, by `bucket/key`."""
    early: dict[OutputFile, bytes] = field(default_factory=dict)

    async def fetch_source(self) -> Path:
        return self.source

    async def fetch_object(self, bucket: str, key: str, limit_bytes: int) -> Path:
        path = self.objects.get(f"{bucket}/{key}")
        if path is None:
            raise InvalidInput(f"there is no object {key} in {bucket}")
        if path.stat().st_size > limit_bytes:
            raise InvalidInput(f"{bucket}/{key} is larger than {limit_bytes}")
        return path

    def report_progress(self, percent: float) -> None:
        self.progress.append(percent)

    def publish_early(self, file: OutputFile) -> None:
        self.early[file] = file.path.read_bytes()
