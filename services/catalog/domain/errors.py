"""What this service refuses. The texts are shown to the caller and say what to change."""


class CatalogError(Exception):
    """The base of what this service refuses. The text is shown to the caller."""


class NotFound(CatalogError):
    def __init__(self, what: str, identity: object) -> None:
        super().__init__(f"there is no {what} {identity}; list them to see which exist")


class Conflict(CatalogError):
    """What is asked contradicts what exists."""


class Refused(CatalogError):
    """The input is well formed, but its content cannot be used."""


class TooLarge(CatalogError):
    """The upload is bigger than allowed, in bytes or in pixels."""


class UnsupportedMedia(CatalogError):
    """The upload is not of a kind that is accepted."""


class NotAllowed(CatalogError):
    """The caller is known, and may not do this."""
