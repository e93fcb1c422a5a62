"""What cannot be done, in words that say what to change."""


class RegressionError(Exception):
    """Base of every refusal of this service; the text is shown to a person."""


class SceneUnknown(RegressionError):
    def __init__(self, scene_id: int) -> None:
        super().__init__(f"There is no scene {scene_id}. Give the id of a rendered scene (GET /api/scenes).")


class SceneUnfinished(RegressionError):
    def __init__(self, scene_id: int, missing: tuple[int, ...]) -> None:
        listed = ", ".join(str(position) for position in missing)
        super().__init__(
            f"Scene {scene_id} is not finished: segment {listed} is not rendered yet. "
            "Designate it as a reference when every segment is generated."
        )


class AlreadyReference(RegressionError):
    def __init__(self, scene_id: int, reference_id: int | None) -> None:
        which = f" (reference {reference_id})" if reference_id is not None else ""
        super().__init__(
            f"Scene {scene_id} is a reference already{which}. Change that one, or delete it to capture a new baseline."
        )


class ReferenceUnknown(RegressionError):
    def __init__(self, reference_id: int) -> None:
        super().__init__(f"There is no reference {reference_id}. GET /api/regression/references lists them.")


class RunUnknown(RegressionError):
    def __init__(self, run_id: int) -> None:
        super().__init__(f"There is no regression run {run_id}. GET /api/regression/runs lists them.")


class AssetUnknown(RegressionError):
    def __init__(self, asset_id: int) -> None:
        super().__init__(f"There is no active version of an asset {asset_id}. GET /api/assets lists the assets.")


class VersionUnknown(RegressionError):
    def __init__(self, asset_id: int, version_id: int) -> None:
        super().__init__(
            f"Asset {asset_id} has no version {version_id}. GET /api/assets/{asset_id}/versions lists its versions."
        )


class NothingToRun(RegressionError):
    """A manual run that no reference can answer."""


class RunNotAllowed(RegressionError):
    """The run is not in a state for what was asked (accept, rollback, cancel)."""


class BadThreshold(RegressionError):
    """A threshold for a metric that nobody measures."""
