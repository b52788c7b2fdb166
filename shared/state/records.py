"""All collections of one store, typed."""

from __future__ import annotations

from datetime import datetime

from shared.model import collections
from shared.model.answer import KeptAnswer
from shared.model.attempt_log import AttemptLog
from shared.model.audit import AuditRecord
from shared.model.closed_sink import ClosedSink
from shared.model.credential import Credential
from shared.model.delivery import Delivery
from shared.model.gate import Gate
from shared.model.key_ring import KeyRing
from shared.model.pipeline import Pipeline
from shared.model.replay import Replay
from shared.model.run import Run
from shared.model.sample import FacePhoto, PersonSample, WordSample
from shared.model.session import Session
from shared.model.sink_health import SinkHealth
from shared.model.task import Task
from shared.model.template import Template
from shared.model.upload import OutputRecord, UploadRecord
from shared.model.worker import WorkerRecord
from shared.ports.state import StateStore
from shared.state.repository import Repository


class Records:
    """The collections of Reelway in one store."""

    def __init__(self, store: StateStore) -> None:
        self.store = store
        self.pipelines = Repository(store, collections.PIPELINES, Pipeline)
        self.versions = Repository(store, collections.PIPELINE_VERSIONS, Pipeline)
        self.runs = Repository(store, collections.RUNS, Run)
        self.tasks = Repository(store, collections.TASKS, Task)
        self.outputs = Repository(store, collections.OUTPUTS, OutputRecord)
        self.uploads = Repository(store, collections.UPLOADS, UploadRecord)
        self.deliveries = Repository(store, collections.DELIVERIES, Delivery)
        self.replays = Repository(store, collections.REPLAYS, Replay)
        self.key_rings = Repository(store, collections.KEY_RINGS, KeyRing)
        self.sink_health = Repository(store, collections.SINK_HEALTH, SinkHealth)
        self.closed_sinks = Repository(store, collections.CLOSED_SINKS, ClosedSink)
        self.attempt_logs = Repository(store, collections.ATTEMPT_LOGS, AttemptLog)
        self.credentials = Repository(store, collections.CREDENTIALS, Credential)
        self.audit = Repository(store, collections.AUDIT, AuditRecord)
        self.sessions = Repository(store, collections.SESSIONS, Session)
        self.templates = Repository(store, collections.TEMPLATES, Template)
        self.answers = Repository(store, collections.ANSWERS, KeptAnswer)
        self.workers = Repository(store, collections.WORKERS, WorkerRecord)
        self.words = Repository(store, collections.WORDS, WordSample)
        self.persons = Repository(store, collections.PERSONS, PersonSample)
        self.photos = Repository(store, collections.PHOTOS, FacePhoto)
        self.gates = Repository(store, collections.GATES, Gate)

    async def now(self) -> datetime:
        """The store's clock."""
        return await self.store.now()
