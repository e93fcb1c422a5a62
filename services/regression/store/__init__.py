"""Every SQL statement of the regression schema."""

from services.regression.store.facts import FactStore
from services.regression.store.references import ReferenceStore
from services.regression.store.renders import RenderStore
from services.regression.store.runs import RunStore


class Store(FactStore, ReferenceStore, RenderStore, RunStore):
    """One object for the whole schema. Writes take the transaction first; reads take it where they must see its writes.

    Locks are always taken in the same order: references by id, then runs by id.
    """


__all__ = ["Store"]
