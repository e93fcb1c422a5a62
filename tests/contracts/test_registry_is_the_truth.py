"""What the registry of topics says is what the services and the documents do."""

import importlib

import pytest

from shared.contracts.flowchart import PAGE, with_generated_parts
from shared.contracts.topics import SERVICES, TOPICS, Topic


class Listening:
    """Stands in for a consumer: remembers which topics a service registers."""

    def __init__(self) -> None:
        self.topics: set[str] = set()

    def on(self, topic: Topic, handler: object) -> None:  # type: ignore[type-arg]
        assert callable(handler)
        assert topic.name not in self.topics
        self.topics.add(topic.name)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_hears_exactly_what_the_registry_says(service: str) -> None:
    handlers = importlib.import_module(f"services.{service}.handlers")
    consumer = Listening()
    handlers.register(consumer, object.__new__(handlers.Handlers))
    assert consumer.topics == {topic.name for topic in TOPICS if service in topic.consumers}


@pytest.mark.parametrize("service", SERVICES)
def test_a_handler_says_what_it_does_with_a_repeated_or_late_event(service: str) -> None:
    handlers = importlib.import_module(f"services.{service}.handlers").Handlers
    for name, handler in vars(handlers).items():
        if not name.startswith("_"):
            assert handler.__doc__, f"{service}: {name} has no docstring"


def test_the_architecture_page_is_drawn_from_the_registry() -> None:
    page = PAGE.read_text()
    assert with_generated_parts(page) == page, "run: python -m shared.contracts.flowchart"
