"""Multipart uploads that nobody will complete: of a process that died, of an answer that got lost on the way, of a
worker that has lost its lease and does not know it yet."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from shared.adapters.s3.errors import translated
from shared.ports.objects import ObjectError

TIMEOUT_S = 30.0

log = structlog.get_logger(__name__)


async def abort_older(client: Any, bucket: str, key: str, upload_id: str) -> None:
    """Aborts the uploads to this very key that were begun before the given one, by the storage's clock.

    Called before an upload is completed, so that none of them can be completed after it. Whoever is at work on one
    all the same (another run with the same output) is told NoSuchUpload and begins again, as the younger one.
    Best effort: a storage that cannot list uploads, or does not let us, keeps what it has; that is logged.
    """
    about = {"bucket": bucket, "key": key}
    try:
        async with asyncio.timeout(TIMEOUT_S):
            with translated(bucket, key):
                answer = await client.list_multipart_uploads(Bucket=bucket, Prefix=key)
            found = [upload for upload in answer.get("Uploads", []) if upload["Key"] == key]
            ours = next((upload for upload in found if upload["UploadId"] == upload_id), None)
            older = [other for other in found if ours and other is not ours and other["Initiated"] <= ours["Initiated"]]
            for upload in older:
                # One that somebody else was faster to abort ends this too: then that one is at work on the others.
                with translated(bucket, key):
                    await client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])
                log.info("older_upload_aborted", **about, upload_id=upload["UploadId"])
    except (ObjectError, TimeoutError) as error:
        log.warning("older_uploads_not_aborted", **about, reason=str(error))
