"""Object storage through the S3 API (AWS, SeaweedFS, MinIO, COS, Ceph), on aioboto3.

`S3ObjectStore` is the adapter of `shared.ports.objects.ObjectStore`; `S3Settings` is all it needs to know.
`S3BucketAccess` is that of `shared.ports.buckets.BucketAccess`.
"""

from __future__ import annotations

from shared.adapters.s3.buckets import S3BucketAccess
from shared.adapters.s3.settings import S3Settings
from shared.adapters.s3.store import S3ObjectStore

__all__ = ["S3BucketAccess", "S3ObjectStore", "S3Settings"]
