"""Facts on the wire: one frozen model per event, one registry of topics (`topics.py`)."""
