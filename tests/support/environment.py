"""The environment of a test run: what the machine needs and what is said to the tests, and nothing else.

What somebody has set for a terminal, a proxy, a database or a CI would otherwise reach the code under test and
every program that a test starts: FORCE_COLOR puts colours into what is compared, COLUMNS breaks lines, http_proxy takes
away what is asked of 127.0.0.1, PGPORT names another socket.
"""

from collections.abc import MutableMapping

KEPT = {
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "VIRTUAL_ENV", "CI",
    "RUSHES_CHROMIUM", "RUSHES_KAFKA_LIB", "RUSHES_FACE_MODELS", "RUSHES_SCREENSHOTS", "SCORING_FACE_PACK",
}  # fmt: skip
"""CI because pytest says more where it is set. HOME, USER and the like because programs look for them."""

KEPT_PREFIXES = (
    "RUSHES_TEST_", "PYTEST_", "PYTHON", "PLAYWRIGHT_", "LD_", "NUMBA_", "OPENCV_", "OMP_", "OPENBLAS_", "NPY_", "ORT_",
    "CUDA_", "NVIDIA_", "JAVA_", "JDK_JAVA_", "GLIBC_", "COV_", "COVERAGE_",
)  # fmt: skip
"""What says how this interpreter and its libraries run on this machine."""


def keep_what_tests_may_see(environment: MutableMapping[str, str]) -> None:
    """Take everything else away; also what is started later, in any fixture, does not inherit it."""
    for name in list(environment):
        if name not in KEPT and not name.startswith(KEPT_PREFIXES):
            del environment[name]
