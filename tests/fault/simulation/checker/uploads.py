"""One run per upload and pipeline (G1), and no run for what our own runs wrote."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.model.upload import RUN_METADATA
from shared.ports.objects import ObjectInfo
from tests.fault.simulation.checker.documents import Doc, Documents, Report

Cause = tuple[object, ...]


class UploadRules:
    """Knows every upload that there was, and every object that our runs wrote."""

    def __init__(self, documents: Documents, report: Report) -> None:
        self._documents = documents
        self._report = report
        self._started: dict[Cause, str] = {}
        self._ours: set[tuple[str, str, str]] = set()
        self.expected: dict[Cause, str] = {}
        """The runs that must be there in the end."""
        self._present: dict[tuple[str, str], list[Cause]] = {}

    def uploaded(self, info: ObjectInfo, pipelines: Sequence[str]) -> None:
        """A user wrote an object; each of the pipelines has to start. What it replaces may have been seen or not."""
        for cause in self._present.pop((info.bucket, info.key), ()):
            if cause not in self._started:
                self.expected.pop(cause, None)
        causes: list[Cause] = []
        for pipeline in pipelines:
            cause = (pipeline, info.bucket, info.key, info.etag, int(info.last_modified.timestamp()))
            causes.append(cause)
            if cause not in self._started:
                self.expected[cause] = f"the run of pipeline {pipeline} for {info.key}"
        self._present[info.bucket, info.key] = causes

    def written(self, info: ObjectInfo) -> None:
        """An object was written by somebody; ours says so."""
        run = info.metadata.get(RUN_METADATA)
        if run is None:
            return
        self._ours.add((info.bucket, info.key, info.etag))
        records = [
            record
            for record in self._documents.outputs.values()
            if record["bucket"] == info.bucket and record["key"] == info.key
        ]
        if not any(record["run_id"] == run for record in records):
            self._report("G1", f"{info.key} is written by run {run} and not registered")

    def started(self, run: Doc) -> None:
        """A run was written."""
        source = run["input"]
        cause: Cause
        if run.get("rerun_of"):
            cause = (run["root"], run["epoch"])
        else:
            written = _seconds(source["last_modified"])
            cause = (run["pipeline_id"], source["bucket"], source["key"], source["etag"], written)
            if (source["bucket"], source["key"], source["etag"]) in self._ours:
                self._report("G1", f"run {run['_id']} was started by what run of ours wrote: {source['key']}")
        other = self._started.setdefault(cause, run["_id"])
        if other != run["_id"]:
            self._report("G1", f"runs {other} and {run['_id']} have the same cause")
        self.expected.pop(cause, None)


def _seconds(text: str | None) -> int:
    return int(datetime.fromisoformat(text).timestamp()) if text else 0
