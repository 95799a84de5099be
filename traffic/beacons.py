"""Synthetic traffic under Locust: the plan's visits, lent out and played."""

import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gevent

from metrics_platform.intake import EventAnswer, check_reachable
from personas.plan import Plan
from personas.settings import PlanSettings
from run_record.folder import new_run
from run_record.ledger import LedgerWriter
from run_record.manifest import Manifest
from traffic.crew import Crew
from traffic.options import TrafficOptions, find_target, new_manifest, new_settings
from traffic.player import Player, Post
from traffic.schedule import Lease, Schedule


class BeaconCrew(Crew):
    """Plays a plan: all users of a process share one schedule."""

    _player: Player | None = None

    def play_next(self, post: Post) -> Sequence[EventAnswer] | None:
        """Send what is due next; None when this process has nothing left to send."""
        player = self._player
        answers: Sequence[EventAnswer] | None = None

        def step() -> bool:
            nonlocal answers
            answers = player.play_next(post) if player is not None else None
            return answers is not None

        self.play(step)
        return answers

    def _make_run(self, options: Namespace, now_ms: int) -> Path:
        asked = TrafficOptions.of(options)
        target = find_target(asked)
        settings = Plan(new_settings(asked, target, now_ms=now_ms)).settings
        manifest = new_manifest("", asked, target, settings)
        check_reachable(target.intake)
        folder = new_run(Path(options.runs))
        replace(manifest, run_id=folder.name).write(folder)
        return folder

    def _count(self, folder: Path, manifest: Manifest) -> int:  # noqa: ARG002 (the other crew needs the folder)
        return manifest.visitors

    def _open(self, folder: Path, manifest: Manifest, ledger: LedgerWriter, worker: str, lease: Lease) -> None:  # noqa: ARG002
        self._player = Player(
            Schedule(Plan(PlanSettings.from_json(manifest.plan)), lease),
            ledger,
            started_ms=manifest.started_ms or int(time.time() * 1000),
            batch_size=manifest.batch_size,
            sleep=gevent.sleep,
        )

    def _close(self) -> None:
        self._player = None
