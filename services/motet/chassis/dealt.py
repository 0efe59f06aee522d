"""Which partitions of its topics a process was dealt by its group. A shard is read once all topics of its number are there.

Kafka's classic protocol takes everything back and deals anew; the consumer protocol (KIP-848) takes and gives a few partitions at a time.
"""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from motet.chassis.offsets import Place, place_of


class Dealt:
    """The partitions of one process."""

    def __init__(self, topics: tuple[str, ...], *, by_piece: bool) -> None:
        self.topics = topics
        self.by_piece = by_piece
        self.held: set[Place] = set()

    def places(self, number: int) -> list[Place]:
        """The partitions of a shard."""
        return [(topic, number) for topic in self.topics]

    def has(self, number: int) -> bool:
        """Whether all partitions of a shard are there."""
        return self.held.issuperset(self.places(number))

    def take(self, partitions: Iterable[TopicPartition]) -> tuple[list[int], list[int]]:
        """Takes what was dealt: the shards that came whole, and those that came in part, which may be whole by now."""
        came = set(map(place_of, partitions))
        self.held = came | (self.held if self.by_piece else set())
        numbers = sorted({number for _, number in came})
        whole = [number for number in numbers if came.issuperset(self.places(number))]
        return whole, [number for number in numbers if number not in whole]

    def give(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Gives back; returns what is left of shards that lost some: nobody reads it."""
        went = set(map(place_of, partitions))
        self.held -= went
        numbers = {number for _, number in went}
        return [TopicPartition(*place) for place in sorted(self.held) if place[1] in numbers]

    def assign(
        self, consumer: Consumer, partitions: Iterable[TopicPartition], starts: list[TopicPartition], due: Iterable[int]
    ) -> None:
        """Reads shards from their starts on; what else was dealt waits: all of it by piece, else shards that are claimed a little later."""
        if self.by_piece:
            begun = set(map(place_of, starts))
            later = [
                TopicPartition(*place_of(one), OFFSET_BEGINNING) for one in partitions if place_of(one) not in begun
            ]
            consumer.incremental_assign([*starts, *later])
        else:
            later = [TopicPartition(*place) for number in due for place in self.places(number)]
            consumer.assign([*starts, *later])
        # librdkafka remembers a pause beyond the assignment that it was made in.
        consumer.resume(starts)
        consumer.pause(later)
