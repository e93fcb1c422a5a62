"""The `rushes` command line: a client of the public API, and the operator's hands on the local stack."""

from services.studio.cli.app import main

__all__ = ["main"]
