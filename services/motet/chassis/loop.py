"""The loop: polls, lets each shard hop, publishes, and commits how far the group is. One thread, no locks.

Five verbs and their blocking: `poll` waits for input, shortly; `turn` waits for PostgreSQL; `publish` waits only when too much is
unacknowledged; `cover` never waits; `tidy` waits for one DELETE now and then.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import psycopg
import stamina
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from motet.chassis import code_version, crashpoints, database, door, guard, outbox, provision, telemetry
from motet.chassis import shard as shards
from motet.chassis.codec import Codec
from motet.chassis.consuming import consumer_settings, take_messages
from motet.chassis.dealt import Dealt
from motet.chassis.endings import DATABASE, OURS, lead_to_an_end
from motet.chassis.errors import Fenced, Refused, RegistryUnavailable
from motet.chassis.gathering import Gathering
from motet.chassis.hop import Hop, Tools
from motet.chassis.message import Message
from motet.chassis.outbox import Row
from motet.chassis.publisher import ProducerLost, Publisher
from motet.chassis.registry import Registry
from motet.chassis.service import Handler, Opening, Service
from motet.chassis.settings import Settings
from motet.chassis.shard import Shard
from motet.chassis.singleton import Jobs
from motet.chassis.tenure import Tenure

IDLE_SECONDS: Final = 0.1
BUSY_SECONDS: Final = 0.003
# Each is a record that the broker writes. What was not covered yet is published again by a next owner, and dropped as a repeat.
COVER_SECONDS: Final = 0.2
TIDY_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5
STOP_SECONDS: Final = 10.0
# After this many starts without progress a shard takes one record at a time, until this many went well.
STARTS_BEFORE_CAUTION: Final = 2
CAUTIOUS_RECORDS: Final = 500
DEATHS_BEFORE_GIVING_UP: Final = 2


class Loop:
    """Runs one service process until it is asked to stop."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self.service = service
        self.settings = settings
        self.log = telemetry.configure(service.name, settings.replica, settings.log_level)
        self.kafka_log = telemetry.kafka_logger(self.log)
        self.reach: Callable[[str], None] = crashpoints.from_environment()
        self.topics = tuple(one.topic for one in service.inputs)
        self.ranks = {one.topic: one.rank for one in service.inputs}
        self.needed = tuple(one.topic for one in service.inputs if one.needed)
        database.migrate(settings.postgres_url, service.schema, service.migrations)
        registry = Registry(settings.schema_registry_url)
        self.partitions = provision.ensure(settings.kafka_bootstrap, registry, (*self.topics, *service.outputs))
        self.codec = Codec(registry)
        self.publisher = Publisher(settings.kafka_bootstrap, f"motet-{service.name}-{settings.replica}", self.kafka_log)
        self.tenures: dict[int, Tenure] = {}
        self.jobs = Jobs(service.jobs, self.partitions, settings.replica, self.log)
        self.due: dict[int, float] = {}
        self.covered_at = 0.0
        self.marked: dict[int, str] = {}
        self.dealt = Dealt(self.topics, by_piece=settings.group_protocol == "consumer")
        self.untold = False  # shards were claimed, and nobody was told that they are ready
        self.stopping = False
        self.gathering = Gathering(
            service.gather_seconds, settings.batch_records // 2, partial(door.is_ours, service, self.codec)
        )
        self.connect()
        told = consumer_settings(service.name, settings, service.patience_seconds) | {"on_commit": self.committed}
        self.consumer = Consumer(told, logger=self.kafka_log)
        self.consumer.subscribe(list(self.topics), on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost)

    def connect(self) -> None:
        """A new connection to PostgreSQL, tried again until it answers."""
        for attempt in stamina.retry_context(on=psycopg.OperationalError, attempts=None, timeout=None, wait_max=5.0):
            with attempt:
                self.connection = database.connect(
                    self.settings.postgres_url,
                    self.service.schema,
                    f"motet-{self.service.name}-{self.settings.replica}",
                )
        for statement in self.service.options:
            self.connection.execute(statement.encode())
        code = code_version.of_process(self.settings.code_version, self.service.code)
        self.tools = Tools(self.service, self.partitions, self.codec, self.connection, self.reach, self.log, code)

    # -- assignment --------------------------------------------------------------------------------------------------------

    def assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Claims every shard of which all topics came, and starts each where its row says. What came in pieces is claimed a little later."""
        whole, parts = self.dealt.take(partitions)
        starts = [start for number in whole for start in self.take_over(number)]
        self.due |= {number: time.monotonic() + RETRY_SECONDS for number in parts}
        self.dealt.assign(consumer, partitions, starts, [number for number in whole if number in self.due])
        self.back_pressure()
        # All that it has by now, or claims soon.
        self.log.info("shards claimed", shards=sorted({*self.tenures, *self.due}))
        self.untold = True

    def take_over(self, number: int) -> list[TopicPartition]:
        """Claims a shard, publishes what the group does not cover, opens the handler; returns where to read on."""
        try:
            owned = shards.claim(self.connection, number, self.topics)
            self.reach("claimed")
            committed = self.consumer.committed([TopicPartition(topic, number) for topic in self.topics], timeout=10.0)
            known = [one for one in committed if one.offset >= 0]
            shards.check_committed(owned, {one.topic: one.offset for one in known}, self.service.name)
            published = shards.published_to([one.metadata for one in known])
            rows = self.uncovered(owned, published)
            self.publisher.publish(number, rows, owned.next_position, dict(owned.offsets))
            self.reach("republished")
            handler = self.service.open(self.opening(owned))
            places = [TopicPartition(topic, number) for topic in self.needed]
            needed = {one.topic: self.consumer.get_watermark_offsets(one, timeout=10.0)[1] for one in places}
        except Refused as error:
            self.log.critical("shard refused", shard=number, reason=str(error))
            return []
        except DATABASE as error:
            # A former owner, stopped in its transaction, still holds the rows, and PostgreSQL ends it soon; or the connection is lost.
            self.log.warning("shard not free yet", shard=number, reason=str(error))
            self.due[number] = time.monotonic() + RETRY_SECONDS
            return []
        cautious = CAUTIOUS_RECORDS if owned.starts > STARTS_BEFORE_CAUTION else 0
        self.tenures[number] = Tenure(owned, handler, cautious, covered_to=published or 0, needed=needed)
        if rows or cautious:
            self.log.info("shard recovered", shard=number, published_again=len(rows), cautious=bool(cautious))
        return [TopicPartition(topic, number, owned.offsets[topic] or OFFSET_BEGINNING) for topic in self.topics]

    def uncovered(self, owned: Shard, published: int | None) -> list[Row]:
        """The outbox rows that the group's committed position does not cover."""
        rows = outbox.since(self.connection, owned.partition, published or 0)
        shards.check_rows(rows[0].position if rows else None, len(rows), published, owned, self.service.name)
        return rows

    def revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Gives shards back in order: everything out, the group's offsets committed, then let go."""
        self.settle(time.monotonic() + STOP_SECONDS)
        for number in {one.partition for one in partitions}:
            self.hand_over(number)
        consumer.pause(self.dealt.give(partitions))

    def lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The group took the shards away already: commit nothing."""
        for number in {one.partition for one in partitions}:
            self.let_go(number)
        consumer.pause(self.dealt.give(partitions))

    def hand_over(self, number: int) -> None:
        """Lets a shard go in order, which the next owner's start must not count as a death."""
        tenure = self.tenures.get(number)
        if tenure is not None:
            end = guard.attempt(partial(shards.left_in_order, self.connection, tenure.shard))
            if isinstance(end, guard.Raised):
                self.log.warning("database", reason=end.text)
        self.let_go(number)

    def let_go(self, number: int) -> None:
        """Forgets a shard."""
        self.due.pop(number, None)
        tenure = self.tenures.pop(number, None)
        if tenure is not None:
            tenure.handler.close()
        self.publisher.forget(number)
        self.gathering.forget(number)

    def again(self, number: int, reason: str) -> None:
        """Lets a shard go and claims it again a little later, if it is still assigned then."""
        self.log.warning("shard let go", shard=number, reason=reason)
        self.let_go(number)
        self.consumer.pause([TopicPartition(topic, number) for topic in self.topics])
        self.due[number] = time.monotonic() + RETRY_SECONDS

    def claim_due(self) -> None:
        """Claims again what `again` let go, or what could not be claimed in a rebalance."""
        if self.connection.closed:
            self.reconnect("the connection was lost in a rebalance")
        for number in [number for number, when in self.due.items() if when <= time.monotonic()]:
            del self.due[number]
            if not self.dealt.has(number):
                continue
            for start in self.take_over(number):
                self.consumer.seek(start)
                self.consumer.resume([TopicPartition(start.topic, start.partition)])

    # -- the five verbs ----------------------------------------------------------------------------------------------------

    def poll(self) -> dict[int, list[Message]]:
        """Whatever is there now, by shard; waits shortly if nothing is. Records for which nobody waits gather first."""
        busy = self.publisher.unacknowledged or any(tenure.handler.ready() for tenure in self.tenures.values())
        seconds = BUSY_SECONDS if busy or self.awaited() else IDLE_SECONDS
        seconds = min(seconds, self.gathering.left(time.monotonic()))
        most = self.settings.batch_records
        found = take_messages(self.consumer, seconds, most, lambda reason: self.log.warning("kafka", reason=reason))
        self.gathering.add(found, time.monotonic())
        return self.gathering.take(time.monotonic())

    def awaited(self) -> bool:
        """Whether effects run whose end will need a turn soon."""
        return any(tenure.handler.open_effects for tenure in self.tenures.values())

    def turn(self, number: int, messages: Sequence[Message]) -> None:
        """One hop of one shard, and what to do when it fails."""
        tenure = self.tenures.get(number)
        if tenure is None:
            return
        ordered = sorted(messages, key=lambda message: (self.ranks[message.topic], message.topic, message.offset))
        try:
            end = guard.attempt(partial(self.advance, tenure, ordered), OURS)
            if isinstance(end, guard.Raised):
                self.log.error("handling failed", shard=number, records=len(ordered), exc_info=end.error)
                self.one_by_one(number, ordered, end.error)
        except Fenced as error:
            self.again(number, str(error))
        except (Refused, RegistryUnavailable) as error:
            self.log.critical("shard stopped", shard=number, reason=str(error))
            self.again(number, str(error))
        except DATABASE as error:
            self.reconnect(str(error))

    def advance(self, tenure: Tenure, messages: Sequence[Message]) -> None:
        """The hop of a turn."""
        if tenure.cautious and messages:
            self.step_carefully(tenure, messages)
        else:
            rows = Hop(self.tools, tenure.shard).run(messages, tenure.handler)
            self.publish(tenure, rows)

    def step_carefully(self, tenure: Tenure, messages: Sequence[Message]) -> None:
        """One record a hop, each named on the shard's row before it is taken: the one that kills the process is found."""
        for message in messages:
            if message.offset < tenure.shard.offsets[message.topic]:
                continue
            deaths = shards.mark_suspect(self.connection, tenure.shard, message.where, self.marked)
            hop = Hop(self.tools, tenure.shard)
            if deaths >= DEATHS_BEFORE_GIVING_UP:
                rows = hop.give_up(message, tenure.handler, f"the process died {deaths} times over this record")
            else:
                rows = hop.run([message], tenure.handler)
            tenure.cautious = max(0, tenure.cautious - 1)
            self.publish(tenure, rows)

    def one_by_one(self, number: int, messages: Sequence[Message], error: Exception) -> None:
        """After a failed hop: each record in a hop of its own; the one that fails again is given up."""
        if not messages:
            raise error
        for message in messages:
            rows = lead_to_an_end(message, partial(self.anew, number), self.log)
            self.publish(self.tenures[number], rows)

    def anew(self, number: int, *, careful: bool, faults: Mapping[int, str]) -> tuple[Hop, Handler]:
        """A hop that begins from the rows."""
        tenure = self.reopen(number)
        return Hop(self.tools, tenure.shard, careful=careful, faults=faults), tenure.handler

    def reopen(self, number: int) -> Tenure:
        """Throws memory away and reads the rows again, under the same epoch."""
        tenure = self.tenures[number]
        tenure.handler.close()
        epoch = tenure.shard.epoch
        tenure.shard = shards.load(self.connection, number, self.topics)
        if tenure.shard.epoch != epoch:
            raise Fenced(f"shard {number} has another owner")
        tenure.handler = self.service.open(self.opening(tenure.shard))
        return tenure

    def opening(self, shard: Shard) -> Opening:
        """What a handler gets."""
        place = (self.service.name, shard.partition, self.partitions)
        owner = (shard.epoch, self.settings.replica)
        return Opening(*place, self.connection, self.codec.decode, self.reach, *owner, shard.clock)

    def publish(self, tenure: Tenure, rows: list[Row]) -> None:
        """Hands facts to the producer; waits while too many are unacknowledged."""
        shard = tenure.shard
        self.publisher.publish(shard.partition, rows, shard.next_position, dict(shard.offsets))
        self.reach("produced")
        self.publisher.poll(0)
        while self.publisher.unacknowledged > self.settings.unacknowledged_records:
            self.publisher.poll(0.01)

    def cover(self, now: float) -> None:
        """Commits the group's offsets, with the outbox position as metadata, up to what the broker has whole: all shards' at once."""
        if now - self.covered_at < COVER_SECONDS:
            return
        offsets = self.publisher.take_covered(self.tenures)
        if offsets:
            self.reach("acknowledged")
            self.covered_at = now
            self.consumer.commit(offsets=offsets, asynchronous=True)

    def committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """The group's commit was answered."""
        if error is not None:
            self.log.warning("group commit", reason=str(error))
            return
        self.reach("offset-committed")
        for one in partitions:
            tenure = self.tenures.get(one.partition)
            if tenure is not None and one.metadata:
                tenure.covered_to = max(tenure.covered_to, int(one.metadata))

    def tidy(self, now: float) -> None:
        """Deletes outbox rows that the group's committed position covers, in bulk."""
        for number, tenure in self.tenures.items():
            if now - tenure.tidied_at > TIDY_SECONDS and tenure.covered_to > tenure.tidied_to:
                tenure.tidied_at = now
                try:
                    self.connection.execute(
                        "DELETE FROM outbox WHERE partition = %s AND position < %s", (number, tenure.covered_to)
                    )
                except psycopg.OperationalError as error:
                    self.reconnect(str(error))
                    return
                tenure.tidied_to = tenure.covered_to

    # -- running -----------------------------------------------------------------------------------------------------------

    def back_pressure(self) -> None:
        """Pauses the inputs that a handler holds, resumes those it releases."""
        for number, tenure in self.tenures.items():
            holds = tenure.holds()
            if holds != tenure.paused:
                self.consumer.pause([TopicPartition(topic, number) for topic in holds - tenure.paused])
                self.consumer.resume([TopicPartition(topic, number) for topic in tenure.paused - holds])
                tenure.paused = holds

    def reconnect(self, reason: str) -> None:
        """The database went away, perhaps with the answer to a COMMIT: the rows will say what happened."""
        self.log.warning("database", reason=reason)
        self.connection.close()
        self.connect()
        for number in list(self.tenures):
            self.again(number, "the database connection was lost")

    def step(self) -> None:
        """One round."""
        batch = self.poll()
        if batch:
            self.reach("batch-polled")
        ready = {number for number, tenure in self.tenures.items() if tenure.handler.ready()}
        for number in sorted(batch.keys() | ready):
            self.turn(number, batch.get(number, ()))
        self.publisher.poll(0)
        now = time.monotonic()
        self.cover(now)
        self.back_pressure()
        self.tidy(now)
        for number, reason in self.jobs.run(self.tenures, self.connection, now):
            self.again(number, reason)
        if self.due:
            self.claim_due()
            self.back_pressure()
        if self.untold:
            self.tell_ready()

    def tell_ready(self) -> None:
        """Says that the service is ready, once what it says by itself at its start, such as its contracts, is out."""
        if any(tenure.handler.ready() for tenure in self.tenures.values()):
            return
        self.untold = False
        if self.settings.ready_file is not None:
            self.settings.ready_file.touch()

    def settle(self, deadline: float) -> None:
        """Everything acknowledged and the group's offsets committed, as far as the deadline allows."""
        try:
            self.publisher.drain(deadline)
            offsets = self.publisher.take_covered(self.tenures)
            if offsets:
                self.consumer.commit(offsets=offsets, asynchronous=False)
        except (ProducerLost, KafkaException) as error:
            self.log.warning("not settled", reason=str(error))

    def stop(self, *_: object) -> None:
        """Asks the loop to end after its round."""
        self.stopping = True

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        self.log.info("started", topics=self.topics)
        while not self.stopping:
            try:
                self.step()
            except ProducerLost as error:
                self.log.warning("producer lost", reason=str(error))
                self.publisher.replace()
                for number in list(self.tenures):
                    self.again(number, "a new producer publishes again from the watermark")
        self.finish()
        self.log.info("stopped")

    def finish(self) -> None:
        """Everything out, the group's offsets committed, every shard let go."""
        self.settle(time.monotonic() + STOP_SECONDS)
        for number in list(self.tenures):
            self.hand_over(number)
        self.consumer.close()
        self.connection.close()
