"""What render servers lack, as answers say it"""

from collections.abc import Mapping, Sequence

from shared.http import ResponseModel


class LackingServer(ResponseModel):
    """`lacks`: node classes and model files that the server says it does not have."""

    server: str
    lacks: list[str]


def lacking_servers(lacks: Mapping[str, Sequence[str]]) -> list[LackingServer]:
    return [LackingServer(server=name, lacks=list(what)) for name, what in lacks.items()]
