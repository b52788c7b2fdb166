"""Where nodes write, and how results spell it (contract MPS_API §5.2)."""

from __future__ import annotations

from typing import Any

import pytest

from services.workers.nodes.place import Place
from shared.model.task import OutputTarget
from shared.mps.storage import TaskOutputStorage
from tests.integration.media.context import task_for

COS_OWN = {"Type": "COS", "CosOutputStorage": {"Bucket": "own-1", "Region": "r"}}
S3_OWN = {"Type": "AWS-S3", "S3OutputStorage": {"S3Bucket": "own", "S3Region": "r"}}


@pytest.mark.parametrize(
    ("target", "own", "spelled"),
    [
        ("COS", None, {"Type": "COS", "CosOutputStorage": {"Bucket": "out", "Region": "r"}}),
        ("AWS-S3", None, {"Type": "AWS-S3", "S3OutputStorage": {"S3Bucket": "out", "S3Region": "r"}}),
        ("AWS-S3", COS_OWN, COS_OWN),
        ("COS", S3_OWN, S3_OWN),
    ],
)
def test_results_spell_the_output_bucket_in_its_type(target: Any, own: Any, spelled: dict[str, Any]) -> None:
    task = task_for("transcode", {}).model_copy(
        update={"target": OutputTarget(bucket="out", region="r", dir="/", type=target)}
    )
    place = Place.of(task, TaskOutputStorage.model_validate(own) if own else None)
    assert place.storage.model_dump(by_alias=True, exclude_none=True) == spelled
