"""The registry of topics is complete and consistent."""

import pytest

from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.topics import SERVICES, TOPICS
from shared.kafka.topics import configuration_of


def test_every_topic_has_one_event_and_every_event_one_topic() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    assert len({topic.event for topic in TOPICS}) == len(TOPICS)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_names_only_services_that_exist_and_a_key_that_the_event_has(topic: topics.Topic) -> None:  # type: ignore[type-arg]
    assert {*topic.producers, *topic.consumers} <= set(SERVICES)
    assert topic.producers
    assert topic.consumers
    assert topic.event.key_field in topic.event.model_fields
    assert topic.description


def test_compacted_topics_keep_the_last_event_of_a_key_for_ever() -> None:
    assert configuration_of(topics.CHARACTER_UPDATED)["cleanup.policy"] == "compact"
    assert configuration_of(topics.GENERATION_PROGRESSED)["retention.ms"] == "3600000"


def test_a_cause_of_our_own_has_a_correlation_and_no_event() -> None:
    cause = Cause.begin("service:dispatch")
    assert cause.event_id is None
    assert cause.correlation_id != Cause.begin("service:dispatch").correlation_id
