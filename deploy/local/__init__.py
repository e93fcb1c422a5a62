"""The local stack: Kafka, PostgreSQL, the ComfyUI stand-in and every service as supervised processes of one machine."""
