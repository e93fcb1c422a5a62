"""`python -m bench [NAME ...]`: run these benchmarks, or all; each is a module of this package with a `main()`."""

import importlib
import pkgutil
import sys

import bench


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_"))


def main() -> None:
    chosen = sys.argv[1:] or names()
    if unknown := set(chosen) - set(names()):
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(names())}")
    for name in chosen:
        print(f"== {name}", flush=True)
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
