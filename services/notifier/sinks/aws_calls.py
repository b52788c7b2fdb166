"""A call of AWS as an attempt: what its errors mean for a delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from services.notifier.domain.notice import Report, clipped
from shared.adapters.aws import Access, Aws, AwsRefused, AwsUnavailable


async def attempt(aws: Aws, access: Access, work: Callable[[Any], Awaitable[Report]]) -> Report:
    """What `work` comes to with a client, or the report of its failure. Bounded by the clients' timeout."""
    try:
        return await aws.call(access, work)
    except AwsRefused as error:
        return Report(delivered=False, status=error.status, error=str(error), response=clipped(str(error).encode()))
    except AwsUnavailable as error:
        return Report(delivered=False, error=str(error), answered=False)
