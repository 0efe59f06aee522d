"""Makes build/compiled: the package as a wheel has it, with the modules in which a processor's time goes compiled by mypyc.

It is the same source, and decides the same (tests/simulation/test_compiled.py); `PYTHONPATH=build/compiled` runs it. It lies beside the
source and not in it, named by the digest of what it was made from, so that nobody who changes a line runs the former one. Without a C
compiler there is none, and everything runs interpreted.

    python deploy/compiling.py [DIRECTORY]      MOTET_COMPILE_LEVEL=0 for a compiler that is done sooner, default 3
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from mypyc.build import mypycify
from setuptools import setup

ROOT: Final = Path(__file__).resolve().parent.parent
SERVICES: Final = ROOT / "services"
# Pure, and on the way of every call; what waits for Kafka and PostgreSQL gains nothing.
MODULES: Final = (
    "motet/plan/*.py",
    "motet/resources/*.py",
    "motet/hosting/*.py",
    "motet/simulation/*.py",
    *(f"motet/chassis/{name}.py" for name in ("canonical", "clock", "codec", "lanes", "message")),
)
COMPILERS: Final = ("cc", "gcc", "clang")
LEVEL: Final = "MOTET_COMPILE_LEVEL"


def say(text: str) -> None:
    """One line for a person."""
    sys.stderr.write(f"compile: {text}\n")


def inputs() -> Iterator[Path]:
    """What the result follows from."""
    yield from sorted(SERVICES.rglob("*.py"))
    yield from sorted((ROOT / "schemas").rglob("*.*"))
    yield from (ROOT / "pyproject.toml", ROOT / "deploy" / "locks" / "requirements.txt", Path(__file__).resolve())


def digest(level: str) -> str:
    """Changes with any of them, and with Python."""
    whole = hashlib.sha256(f"{sys.version} {level}".encode())
    for file in inputs():
        whole.update(f"{file.relative_to(ROOT)}\0".encode())
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def compile_into(directory: Path, level: str) -> None:
    """The package in a directory, compiled there."""
    without_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SERVICES / "motet", directory / "motet", ignore=without_caches)
    shutil.copytree(ROOT / "schemas", directory / "motet" / "schemas")
    with chdir(directory):
        files = sorted(str(file) for pattern in MODULES for file in Path().glob(pattern) if file.name != "__init__.py")
        options = [
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--explicit-package-bases",
            "--cache-dir",
            "build/mypy",
        ]
        os.environ["MYPYPATH"] = "."
        said = StringIO()
        try:
            with redirect_stdout(said), redirect_stderr(said):
                build([*options, *files], level)
        except BaseException:
            sys.stderr.write(said.getvalue())
            raise
        shutil.rmtree("build")


def build(arguments: list[str], level: str) -> None:
    """What mypyc does, and the C compiler, in the current directory."""
    extensions = mypycify(arguments, opt_level=level, debug_level="0")
    setup(
        name="motet", packages=[], ext_modules=list[Any](extensions), script_args=["--quiet", "build_ext", "--inplace"]
    )


def main() -> None:
    """Makes it, unless it is there."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "compiled").resolve()
    level = os.environ.get(LEVEL, "3")
    made, stamp = target / ".made", digest(level)
    if made.is_file() and made.read_text() == stamp:
        return
    shutil.rmtree(target, ignore_errors=True)
    if not any(map(shutil.which, COMPILERS)):
        say(f"no C compiler is on the PATH ({', '.join(COMPILERS)}): everything runs interpreted")
        return
    say("compiling the deciders (a minute or two at the first time, and after changes)")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two at once make one each; whoever is done first has made it.
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as directory:
        partial = Path(directory) / target.name
        compile_into(partial, level)
        (partial / ".made").write_text(stamp)
        if not made.is_file():
            partial.rename(target)


if __name__ == "__main__":
    main()
