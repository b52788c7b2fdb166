"""Clients of AWS services, one per service, region and key.

AwsError
├── AwsRefused        the service answered, with an error
└── AwsUnavailable    nobody answered
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from aioboto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import ReelwayError

T = TypeVar("T")


class AwsError(ReelwayError):
    """A call of AWS failed."""

    code: ClassVar[str] = "aws"
    retryable: ClassVar[bool] = True


class AwsRefused(AwsError):
    """The service answered, with an error; `status` is that of HTTP."""

    code: ClassVar[str] = "aws_refused"

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


class AwsUnavailable(AwsError):
    """Nobody answered."""

    code: ClassVar[str] = "aws_unavailable"


@dataclass(frozen=True, slots=True)
class Access:
    """Where and as whom. `endpoint` None is AWS itself."""

    service: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    endpoint: str | None = None


class Aws:
    """Keeps clients, because making one takes 35 ms, and the newest `most` only. Calls are tried once: retries are the
    caller's. No key is ever taken from the environment, a file or a metadata service: a subscription must not send as
    the machine that sends."""

    def __init__(self, *, timeout_s: float = 10.0, most: int = 64) -> None:
        self._timeout_s = timeout_s
        self._most = most
        self._session = Session(aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106 - no key
        self._clients: OrderedDict[Access, tuple[Any, AsyncExitStack]] = OrderedDict()
        self._making = asyncio.Lock()

    async def close(self) -> None:
        """Closes all clients."""
        while self._clients:
            _, (_, stack) = self._clients.popitem()
            await stack.aclose()

    async def call(self, access: Access, work: Callable[[Any], Awaitable[T]]) -> T:
        """What `work` comes to with a client, within the timeout. Raises AwsError."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await work(await self._client(access))
        except TimeoutError:
            raise AwsUnavailable(f"no answer within {self._timeout_s:g} s") from None
        except ClientError as error:
            raise _refused(error) from error
        except (BotoCoreError, OSError, ValueError) as error:
            raise AwsUnavailable(f"{type(error).__name__}: {error}"[:1000]) from error

    async def _client(self, access: Access) -> Any:
        async with self._making:
            found = self._clients.get(access)
            if found is None:
                found = self._clients[access] = await self._make(access)
            self._clients.move_to_end(access)
            if len(self._clients) > self._most:
                _, (_, stack) = self._clients.popitem(last=False)
                await stack.aclose()
            return found[0]

    async def _make(self, access: Access) -> tuple[Any, AsyncExitStack]:
        stack = AsyncExitStack()
        config = Config(
            connect_timeout=self._timeout_s,
            read_timeout=self._timeout_s,
            retries={"total_max_attempts": 1},
            proxies={},
            ignore_configured_endpoint_urls=True,
        )
        client = await stack.enter_async_context(
            self._session.client(
                access.service,
                region_name=access.region,
                aws_access_key_id=access.access_key,
                aws_secret_access_key=access.secret_key,
                endpoint_url=access.endpoint,
                config=config,
            )
        )
        return client, stack


def _refused(error: ClientError) -> AwsRefused:
    said = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return AwsRefused(f"{said.get('Code')}: {said.get('Message')}"[:1000], status)
