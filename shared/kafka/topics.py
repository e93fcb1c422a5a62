"""Making the topics of the registry on a broker."""

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.contracts.topics import DEAD_LETTER_TOPICS, TOPICS, Topic

MAX_MESSAGE_BYTES = 8 * 1024 * 1024


def configuration_of(topic: Topic[Any]) -> dict[str, str]:
    if topic.compacted:
        return {"cleanup.policy": "compact", "max.message.bytes": str(MAX_MESSAGE_BYTES)}
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(topic.retention.total_seconds() * 1000)),
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }


async def create_topics(*, bootstrap: str, prefix: str, replication: int = 1) -> list[str]:
    """Create what is missing; returns the names that were created. Existing topics stay as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        response = await admin.create_topics(
            [
                NewTopic(
                    name=prefix + topic.name,
                    num_partitions=topic.partitions,
                    replication_factor=replication,
                    topic_configs=configuration_of(topic),
                )
                for topic in (*TOPICS, *DEAD_LETTER_TOPICS)
            ]
        )
        return [name for name, code, *_ in response.topic_errors if _created(code)]
    finally:
        await admin.close()


def _created(code: int) -> bool:
    error = for_code(code)
    if code and error is not TopicAlreadyExistsError:
        raise error
    return not code
