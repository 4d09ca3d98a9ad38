"""Compiles the kernel (src/aboveboard/kernel) when the package is built or installed: hatchling calls it.

Where no C compiler is found, or it fails, the package is installed without it and does the same work in Python, with one
line that says so. ``python hatch_build.py`` compiles the library beside its sources, for whoever works on them
(docs/adr/0022).
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # called by hand, where hatchling need not be
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOM = Path(__file__).resolve().parent / "src" / "aboveboard" / "kernel"
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


class CompiledKernel(BuildHookInterface):  # type: ignore[misc,type-arg]
    """The kernel goes into the wheel, which is then one for this platform; without it there is one for all."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling says which
        made, why = compiled()
        if made is None:
            self.app.display_warning(
                f"aboveboard is installed without its compiled kernel ({why}); it does the same, slower"
            )
            return
        build_data["artifacts"].append(made.relative_to(ROOM.parents[2]).as_posix())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform()}"


def compiled(to: Path | None = None, flags: tuple[str, ...] = ()) -> tuple[Path | None, str]:
    """Compile the library, beside its sources if nothing else is said; returns where it is, or None and why it is not."""
    loader = _room()
    to = to or ROOM / loader.NAME
    compiler = next((found for name in _compilers() if (found := shutil.which(name[0]) and name)), None)
    if compiler is None:
        return None, "no C compiler was found"
    partial = to.with_name(f"{to.name}.{os.getpid()}")  # a library that somebody has loaded is never written to
    named = f'-DAB_SOURCES="{loader.sources(str(ROOM))}"'
    command = [*compiler, *FLAGS, *flags, named, "-o", str(partial), *map(str, sorted(ROOM.glob("*.c")))]
    try:  # whatever happens here, the package can be installed without
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == 0:
            partial.replace(to)
            return to, ""
    except OSError as error:
        return None, f"`{compiler[0]}` failed: {error.strerror}"
    finally:
        partial.unlink(missing_ok=True)
    return None, f"`{compiler[0]}` failed: {done.stderr.strip()[-400:]}"


def platform() -> str:
    """The platform as a wheel names it; hatchling brings ``packaging``."""
    from packaging.tags import sys_tags

    return next(tag.platform for tag in sys_tags() if not tag.platform.startswith(("manylinux", "musllinux")))


def _compilers() -> list[list[str]]:
    asked = shlex.split(os.environ.get("CC", ""))
    return [*([asked] if asked else []), ["cc"], ["gcc"], ["clang"]]


def _room() -> Any:
    """``aboveboard.kernel.library``, without what the package itself needs."""
    spec = importlib.util.spec_from_file_location("_kernel_library", ROOM / "library.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(ROOM / "library.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    path, reason = compiled()
    print(path or reason)
    sys.exit(0 if path else 1)
