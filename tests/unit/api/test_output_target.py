"""Where a ProcessMedia task writes (contract MPS_API §5.2)."""

from __future__ import annotations

import pytest

from services.api.domain.storage import BucketUse, InputPlace
from services.api.domain.tasks import output_target
from shared.model.pipeline import OutputPlace


@pytest.mark.parametrize("spelling", ["COS", "AWS-S3"])
def test_output_bucket_is_spelled_like_the_input(spelling: str) -> None:
    source = InputPlace(spelling, BucketUse("media", "InputInfo"), "ap-guangzhou", "in/a.mp4", "InputInfo")
    target = output_target(OutputPlace(), OutputPlace(), source)
    assert target.model_dump() == {"bucket": "media", "region": "ap-guangzhou", "dir": "/in/", "type": spelling}
