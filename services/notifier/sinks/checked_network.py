"""Connections only to addresses that were checked: the host is resolved here, every address of it is judged, and the
connection goes to one of exactly those addresses, so that a second, different answer of the DNS changes nothing.

AddressRefused    the host has an address that may not be connected to
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import httpcore

from services.notifier.sinks.resolver import Resolver
from shared.addresses import Network, refusal
from shared.errors import ReelwayError

TIMEOUT_PER_ADDRESS_S = 4.0
"""How long one address of several is waited for."""


class AddressRefused(ReelwayError):
    """The host has an address that may not be connected to. Retried all the same: the DNS may be put right."""

    code: ClassVar[str] = "address_refused"
    retryable: ClassVar[bool] = True


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """A network of httpcore that resolves and judges before it connects. TLS still checks the name, not the address.

    All addresses of a host must pass: a host that is partly inside is refused as a whole. Names that are numbers in any
    notation (decimal, octal, hex) are resolved by the system as the connection would be, so that they hide nothing.
    """

    def __init__(
        self,
        allowed: Sequence[Network],
        network: httpcore.AsyncNetworkBackend | None = None,
        *,
        most_lookups: int = 128,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolver = Resolver(most_lookups)
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises AddressRefused, or httpcore's ConnectError and ConnectTimeout."""
        addresses = await self.resolve(host)
        for address in addresses:
            reason = refusal(address, self._allowed)
            if reason is not None:
                raise AddressRefused(f"{host} must not be called: {reason} (REELWAY_ALLOWED_NETWORKS)")
        patience = timeout if len(addresses) == 1 else TIMEOUT_PER_ADDRESS_S
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, patience, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def resolve(self, host: str) -> list[str]:
        """All addresses of a host, once each; the caller bounds the time. Raises httpcore.ConnectError."""
        try:
            return await self._resolver.addresses(host)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"cannot resolve {host}: {error}") from error

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Refused: a URL cannot mean one."""
        raise AddressRefused("a callback must not go to a Unix socket")

    async def sleep(self, seconds: float) -> None:
        """As the network below."""
        await self._network.sleep(seconds)
