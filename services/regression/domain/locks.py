"""The asset lock of a reference: which version of what it was rendered with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.regression.domain.environment import UnderTest


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedVersion:
    asset_id: int
    version_id: int
    kind: str
    name: str
    version: int
    checksum: str
    file_name: str | None = None


Lock = tuple[LockedVersion, ...]


def version_in(lock: Iterable[LockedVersion], asset_id: int) -> LockedVersion | None:
    return next((locked for locked in lock if locked.asset_id == asset_id), None)


def would_test(lock: Iterable[LockedVersion], version: LockedVersion) -> bool:
    """True if rendering the lock with this version would test anything: it holds the asset at another version."""
    held = version_in(lock, version.asset_id)
    return held is not None and held.version_id != version.version_id


def replaced(lock: Sequence[LockedVersion], version: LockedVersion | None) -> Lock:
    """The lock with only this asset's version exchanged; unchanged without one, or where the asset is not used."""
    if version is None:
        return tuple(lock)
    return tuple(version if locked.asset_id == version.asset_id else locked for locked in lock)


def under_test(lock: Iterable[LockedVersion], version: LockedVersion | None) -> UnderTest:
    """What may differ between the baseline's environment and the new one: the old and the new version of one asset."""
    if version is None:
        return UnderTest()
    held = version_in(lock, version.asset_id)
    names = {one.file_name for one in (held, version) if one is not None and one.file_name is not None}
    return UnderTest(file_names=frozenset(names), graph=version.kind == "workflow")
