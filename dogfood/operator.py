"""The testbed's operator: breaks MPIC and mends it."""

import asyncio
from collections.abc import Sequence

import httpx

from common.egress import LOOPBACK
from common.http import open_async_client
from dogfood.services import Testbed
from metrics_platform.errors import KitFaultError


class TestbedOperator:
    """Acts on the services of *testbed*."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._port: int | None = None

    async def misbehaviours(self) -> Sequence[str]:
        """Return the ways in which MPIC's API can misbehave."""
        known = await self._ask("GET")
        return [str(name) for name in known["known"]] if isinstance(known["known"], list) else []

    async def misbehave(self, how: str) -> None:
        """Let MPIC's API misbehave from now on; with '' it behaves again."""
        await self._ask("PUT", {"as": how})

    async def stop_mpic(self) -> None:
        """Stop MPIC, so that connections are refused."""
        self._port = next(state.port for state in self._testbed.status() if state.name == "mpic")
        await asyncio.to_thread(self._testbed.down, ("mpic",))

    async def start_mpic(self) -> None:
        """Start MPIC again, where it was."""
        ports = {"mpic": self._port} if self._port else {}
        await asyncio.to_thread(self._testbed.up, ports, ("mpic",))

    async def _ask(self, method: str, content: dict[str, str] | None = None) -> dict[str, object]:
        address = self._testbed.url("mpic")
        headers = {"X-Requested-With": "dogfood"}
        try:
            async with open_async_client(LOOPBACK) as client:
                answer = await client.request(method, f"{address}/testbed/misbehaviour", json=content, headers=headers)
            answer.raise_for_status()
            told: dict[str, object] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise KitFaultError(f"the testbed's MPIC cannot be told to misbehave: {error}") from error
        return told
