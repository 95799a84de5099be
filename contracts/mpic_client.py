"""Client of MPIC's public API, which the wiki uses too."""

from typing import Self
from urllib.parse import quote

import httpx

from common.egress import LOOPBACK, Egress, EgressError
from common.errors import DogfoodError
from common.http import open_client
from contracts.configs import (
    Experiment,
    Instrument,
    ReadConfigs,
    parse_experiments,
    parse_instruments,
    read_experiments,
    read_instruments,
)
from contracts.generation import Generation

#: The wiki's timeout for MPIC, in seconds (contract: mpic-api.md).
TIMEOUT_S = 1.0


class MpicError(DogfoodError):
    """MPIC does not respond, or its response is not a list of configs."""

    page = "docs/guide/troubleshooting.md"


class MpicClient:
    """Reads configs from MPIC; a context manager that closes its connections.

    Args:
        base_url: such as `http://127.0.0.1:8086`.
        egress: the policy for connections; this machine only by default.
        timeout_s: seconds to wait for a response.
        transport: replaces the network, for tests.

    Raises:
        MpicError: *base_url* is not a URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        egress: Egress = LOOPBACK,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        try:
            self._client = open_client(egress, timeout_s=timeout_s, base_url=self._base_url, transport=transport)
        except httpx.InvalidURL as error:
            raise MpicError(f"MPIC's address {base_url!r} cannot be used: {error}") from error

    def raw_experiments(self, generation: Generation) -> list[object]:
        """Return the experiment configs as MPIC serves them. Raises MpicError."""
        query = {} if generation is Generation.ALPHA else {"format": "config", "authority": "mediawiki"}
        return self._get("/api/v1/experiments", query)

    def raw_instruments(self) -> list[object]:
        """Return the instrument configs as MPIC serves them. Raises MpicError."""
        return self._get("/api/v1/instruments", {})

    def experiments(self, generation: Generation) -> tuple[Experiment, ...]:
        """Return the experiments. Raises MpicError, or ConfigError when one is invalid."""
        return parse_experiments(generation, self.raw_experiments(generation))

    def instruments(self) -> tuple[Instrument, ...]:
        """Return the instruments. Raises MpicError, or ConfigError when one is invalid."""
        return parse_instruments(self.raw_instruments())

    def read_experiments(self, generation: Generation) -> ReadConfigs[Experiment]:
        """Return the valid experiments, and the faults of the others. Raises MpicError."""
        return read_experiments(generation, self.raw_experiments(generation))

    def read_instruments(self) -> ReadConfigs[Instrument]:
        """Return the valid instruments, and the faults of the others. Raises MpicError."""
        return read_instruments(self.raw_instruments())

    def put(self, kind: str, name: str, config: dict[str, object]) -> None:
        """Create or replace a config in the testbed's MPIC (the real one has no such call).

        Args:
            kind: `experiments` or `instruments`.
            name: the config's slug.
            config: the config, as the API serves it.

        Raises:
            MpicError: MPIC does not respond, or refuses the config; the message names the field.
        """
        path = f"/api/v1/{kind}/{quote(name, safe='')}"
        try:
            answer = self._client.put(path, json=config, headers={"X-Requested-With": "dogfood"}, timeout=10)
        except httpx.HTTPError as error:
            raise self._unreachable(path, error) from error
        if answer.status_code not in (200, 201):
            why = " ".join(answer.text.split())[:300] if answer.status_code == 422 else answer.reason_phrase
            raise MpicError(f"MPIC refused {kind[:-1]} {name!r} ({answer.status_code}): {why}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, path: str, query: dict[str, str]) -> list[object]:
        try:
            answer = self._client.get(path, params=query)
        except (httpx.HTTPError, EgressError) as error:
            raise self._unreachable(path, error) from error
        if answer.status_code != 200:
            raise MpicError(f"MPIC at {answer.url} answers {answer.status_code} {answer.reason_phrase}, not configs")
        try:
            content: object = answer.json()
        except ValueError:
            kind = answer.headers.get("content-type", "no content type")
            raise MpicError(
                f"MPIC at {answer.url} answers {kind} that is not JSON: is this the right address?"
            ) from None
        if not isinstance(content, list):
            raise MpicError(f"MPIC at {answer.url} does not answer a bare array of configs")
        return content

    def _unreachable(self, path: str, error: Exception) -> MpicError:
        problem = "takes too long" if isinstance(error, httpx.TimeoutException) else "does not answer"
        return MpicError(f"MPIC at {self._base_url}{path} {problem} ({error}): is it up? See `dogfood status`")
