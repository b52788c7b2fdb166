"""Which addresses a callback may connect to: public ones, and those that the operator allows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import inet_aton, inet_ntoa

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_METADATA = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.192/32"))
"""Metadata services at addresses that look public (Azure, Oracle). The others are link-local, private or shared."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address that the gateway connects to."""


def read_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks from CIDR notation. Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def refusal(address: str, allowed: Sequence[Network]) -> str | None:
    """Why this address may not be connected to; None if it may.

    An IPv6 address that stands for an IPv4 address (mapped, NAT64, 6to4) is judged as both.
    """
    given = _plain(ip_address(address))
    inner = _embedded(given)
    if _is_in(given, allowed) or (inner is not None and _is_in(inner, allowed)):
        return None
    # The NAT64 prefix itself is in a reserved block; it is as good as what it stands for.
    for judged in (inner,) if given in _NAT64 else (given, inner):
        reason = None if judged is None else _reason(judged)
        if reason is not None:
            return f"{address} is {reason}"
    return None


def _plain(address: Address) -> Address:
    """Without scope id, and IPv4 if it is a mapped IPv4 address."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def _embedded(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _reason(address: Address) -> str | None:
    reasons = (
        (address.is_unspecified, "the unspecified address"),
        (address.is_loopback, "a loopback address"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (_is_in(address, _METADATA), "a metadata address"),
        (address.is_private, "a private address"),
        (address.is_reserved or not address.is_global, "a reserved address"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def literal_address(host: str) -> str | None:
    """The address that a host is in itself, in any notation that a resolver takes for one (decimal, octal, hex, short);
    None if it is a name, which only a resolver can tell. Names of the loopback by RFC 6761 count."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        pass
    try:
        # As inet_aton(3) reads it: 2130706433, 0177.0.0.1, 0x7f.1. No name is looked up.
        return inet_ntoa(inet_aton(host))
    except (OSError, UnicodeError, ValueError):
        return None
