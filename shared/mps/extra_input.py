"""Files beside the source that a node's parameters name: watermark pictures, subtitles, clips (MPS_API §5.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel

from shared.mps.base import MpsModel
from shared.mps.not_yet import NOT_YET
from shared.mps.storage import MediaInputInfo


def _in_a_bucket(info: MediaInputInfo) -> MediaInputInfo:
    if info.type == "URL":
        raise ValueError(f"Type URL {NOT_YET}; put the file into a bucket and use COS or AWS-S3")
    if info.s3_input_info and (info.s3_input_info.s3_secret_id or info.s3_input_info.s3_secret_key):
        raise ValueError(f"S3SecretId {NOT_YET}; the service uses its own keys")
    return info


ExtraInput = Annotated[MediaInputInfo, AfterValidator(_in_a_bucket)]
"""An object in a bucket of the caller's own. Addresses are refused: whoever fetched them would fetch from inside the
user's network."""


def extra_inputs(params: MpsModel) -> Iterator[tuple[str, MediaInputInfo]]:
    """Every such file in a node's parameters with its wire path within them."""
    yield from _within(params, "")


def _within(value: Any, path: str) -> Iterator[tuple[str, MediaInputInfo]]:
    match value:
        case MediaInputInfo():
            yield path, value
        case BaseModel():
            for name, field in type(value).model_fields.items():
                member = field.alias or name
                yield from _within(getattr(value, name), f"{path}.{member}" if path else member)
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _within(item, f"{path}[{index}]")
        case Mapping():
            return
        case _:
            return


def bucket_and_key(info: MediaInputInfo) -> tuple[str, str, str]:
    """Bucket, region and decoded key (no leading slash). Raises ValueError for what lies in no bucket."""
    if info.type == "COS" and info.cos_input_info is not None:
        cos = info.cos_input_info
        return cos.bucket, cos.region, cos.object.removeprefix("/")
    if info.type == "AWS-S3" and info.s3_input_info is not None:
        s3 = info.s3_input_info
        return s3.s3_bucket, s3.s3_region, s3.s3_object.removeprefix("/")
    raise ValueError(f"Type {info.type} {NOT_YET}")
