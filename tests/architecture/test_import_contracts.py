"""Each import contract is seen to fail: a copy of the code with one planted violation per contract must be refused.

A contract that cannot fail (a typo in a module name, a wildcard that matches nothing) guards nothing.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT_PACKAGES = ("services", "shared", "deploy")
SECONDS = 120

PLANTED = {
    "services-apart": ("services/catalog/handlers", "services.dispatch.domain"),
    "shared-knows-no-service": ("shared/clock", "services.catalog.domain"),
    "services-not-deployed-by-themselves": ("services/scoring/adapters", "deploy.topology"),
    "deploy-knows-no-service": ("deploy/topology", "services.catalog.settings"),
    "standin-apart": ("deploy/comfyui_standin/faults", "shared.ids"),
    "domain-pure": ("services/regression/domain", "asyncpg"),
    "kernels-numeric": ("services/scoring/kernels", "av"),
    "store-sql-only": ("services/dispatch/store", "shared.kafka.relay"),
    "entrances-thin": ("services/studio/handlers", "asyncpg"),
    "handlers-write-through-operations": ("services/catalog/handlers", "services.catalog.store"),
    "operations-no-transport": ("services/regression/operations", "fastapi"),
    "workers-report-to-operations": ("services/dispatch/workers", "services.dispatch.store"),
    "adapters-wrap": ("services/dispatch/adapters", "asyncpg"),
    "settings-plain": ("services/studio/settings", "services.studio.store"),
    "light-services-carry-no-decoder": ("services/studio/web", "cv2"),
    "dispatch-carries-no-models": ("services/dispatch/adapters", "onnxruntime"),
    "smoothing-carries-no-models": ("services/smoothing/workers", "onnxruntime"),
    "one-way-to-postgres-and-kafka": ("shared/contracts/base", "aiokafka"),
}
"""Contract to the room that breaks it and what that room imports."""


def contracts() -> dict[str, str]:
    """Id and name of every contract of the project."""
    configuration = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return {entry["id"]: entry["name"] for entry in configuration["tool"]["importlinter"]["contracts"]}


def room_file(root: Path, room: str) -> Path:
    """A room is a module or a package."""
    module = root / f"{room}.py"
    return module if module.exists() else root / room / "__init__.py"


def dotted(root: Path, file: Path) -> str:
    parts = list(file.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Contract name to what import-linter says about it, for a copy with every violation planted."""
    root = tmp_path_factory.mktemp("violating")
    for package in ROOT_PACKAGES:
        shutil.copytree(REPOSITORY / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    for room, imported in PLANTED.values():
        with room_file(root, room).open("a") as file:
            file.write(f"\nimport {imported}\n")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1, done.stdout + done.stderr
    sections = {}
    for name in contracts().values():
        _, _, rest = done.stdout.partition(f"\n{name}\n{'-' * len(name)}\n")
        sections[name] = rest.partition("\n---")[0]
    return root, sections


def test_every_contract_has_a_planted_violation() -> None:
    assert set(PLANTED) == set(contracts())


@pytest.mark.parametrize("contract", PLANTED)
def test_the_contract_refuses_what_breaks_it(contract: str, refusals: tuple[Path, dict[str, str]]) -> None:
    root, sections = refusals
    room, imported = PLANTED[contract]
    importer = dotted(root, room_file(root, room))
    assert f"{importer} -> {imported}" in sections[contracts()[contract]]
