"""Refusals. Each message says what to change."""


class DomainError(Exception):
    """Base of everything dispatch refuses; the text is for the person or service that asked."""


class NotFound(DomainError):
    """There is no such thing, or there is none any more."""


class Conflict(DomainError):
    """The thing is not in a state that allows it."""


class Unacceptable(DomainError):
    """The values asked for cannot work; nothing was written."""


class LeaseLost(DomainError):
    """The job is not this worker's any more: it was cancelled, deleted, or taken over after its lease ran out."""
