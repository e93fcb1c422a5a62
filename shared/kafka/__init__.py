"""Kafka: envelope, delivery policy, outbox relay, topics."""
