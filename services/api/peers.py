"""The health of the other services, as they tell it themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

PEER_TIMEOUT_S = 1.0


class Peers:
    """Asks every peer at `/healthz`."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = dict(urls)
        self._client = httpx.AsyncClient(timeout=PEER_TIMEOUT_S, trust_env=False, follow_redirects=False)

    async def report(self) -> dict[str, str]:
        """`ok` or the reason, for each peer."""
        answers = await asyncio.gather(*(self._ask(url) for url in self._urls.values()))
        return dict(zip(self._urls, answers, strict=True))

    async def _ask(self, url: str) -> str:
        if self._client.is_closed:
            return "not asked: this service is stopping"
        try:
            async with asyncio.timeout(PEER_TIMEOUT_S):
                response = await self._client.get(f"{url}/healthz")
        except TimeoutError:
            return f"no answer in {PEER_TIMEOUT_S:g} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        return "ok" if response.status_code == httpx.codes.OK else f"not ready (HTTP {response.status_code})"

    async def aclose(self) -> None:
        """Releases connections."""
        await self._client.aclose()
