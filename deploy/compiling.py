"""Makes build/compiled/DIGEST: the package as a wheel has it, with the modules in which a processor's time goes compiled by mypyc.

It is the same source, and decides the same (tests/simulation/test_compiled.py). The last line that this prints is the folder, for PYTHONPATH. It
lies beside the source and not in it, and is named by the digest of what was compiled, so that nobody who changes a line runs the former one.
Without a C compiler there is none, and everything runs interpreted.

    python deploy/compiling.py [DIRECTORY]      MOTET_COMPILE_LEVEL=0 for the deciders alone, as soon as may be; default 3
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from mypyc.build import mypycify
from setuptools import setup

from motet.chassis import avro_reading, avro_text, avro_writing
from motet.chassis.codec import newest_schemas, parse

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
# What reads whole logs. It decides nothing, and takes as long to compile again: who asks for a compiler that is done sooner does without.
READING: Final = (
    "motet/audit/*.py",
    *(
        f"motet/chassis/{name}.py"
        for name in ("avro_functions", "avro_reading", "avro_text", "avro_writing", "log_reader")
    ),
)
# Records of which every call has some. What reads them is long: all of them would take a compiler ten minutes.
MOST: Final = (
    "SubmitPlan",
    "PlanAdmitted",
    "InvokeCalls",
    "CallsStarted",
    "CallsFinished",
    "CallsCommitted",
    "PlanEnded",
    "Merged",
)
# Lists of theirs that a projection has no use for, and passes over.
UNREAD: Final = {"PlanEnded": ("results",), "CallsFinished": ("calls",)}
# What reads and writes them, written out for the compiler; it is made when it is met otherwise.
FUNCTIONS: Final = Path(*avro_text.COMPILED.split(".")).with_suffix(".py")
HEAD: Final = f'''"""Written by `deploy/compiling.py` for the schemas that Motet ships."""

from typing import Any

{avro_reading.IMPORTS}
from motet.chassis.avro_text import DOUBLE, FLOAT
{avro_writing.IMPORTS}'''
COMPILERS: Final = ("cc", "gcc", "clang")
LEVEL: Final = "MOTET_COMPILE_LEVEL"
HIGHEST: Final = "3"
SOONEST: Final = "0"
DIGITS: Final = 16
# Copies that are kept: a run that goes on from one is not to lose it.
KEPT: Final = 4


def say(text: str) -> None:
    """One line for a person."""
    sys.stderr.write(f"compile: {text}\n")


def compile_in(directory: Path) -> None:
    """Compiles a copy where it is."""
    with chdir(directory):
        level, wanted = os.environ.get(LEVEL, HIGHEST), MODULES
        if level != SOONEST:
            FUNCTIONS.write_text(avro_text.module_of(HEAD, texts_of_shipped()), encoding="utf-8")
            wanted += READING
        files = sorted(str(file) for pattern in wanted for file in Path().glob(pattern) if file.name != "__init__.py")
        config = [
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
                build([*config, *files], level)
        except BaseException:
            sys.stderr.write(said.getvalue())
            raise
        shutil.rmtree("build")


def texts_of_shipped() -> Iterator[str]:
    """The functions that read and write the records of which there are most."""
    for name, text in newest_schemas().items():
        short = name.rpartition(".")[2]
        if short in MOST:
            schema = parse(json.loads(text))
            readings = (avro_reading.text_of(schema, None, without) for without in ((), UNREAD.get(short, ())))
            yield from filter(None, (*readings, avro_writing.text_of(schema)))


def build(arguments: list[str], level: str) -> None:
    """What mypyc does, and the C compiler, in the current directory."""
    extensions = mypycify(arguments, opt_level=level, debug_level="0")
    setup(
        name="motet", packages=[], ext_modules=list[Any](extensions), script_args=["--quiet", "build_ext", "--inplace"]
    )


def copied(directory: Path) -> str:
    """What is compiled, in a directory; the digest of it, of Python, and of what compiles."""
    shutil.copytree(SERVICES / "motet", directory / "motet", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "schemas", directory / "motet" / "schemas")
    whole = hashlib.sha256(f"{sys.version} {os.environ.get(LEVEL, HIGHEST)}".encode())
    others = (ROOT / "pyproject.toml", ROOT / "deploy" / "locks" / "requirements.txt", Path(__file__).resolve())
    for file in (*sorted(one for one in directory.rglob("*.*") if one.is_file()), *others):
        name = file.relative_to(directory) if file.is_relative_to(directory) else file.name
        whole.update(f"{name}\0".encode())
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:DIGITS]


def main() -> None:
    """Makes it, unless it is there, and prints where it is."""
    base = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "compiled").resolve()
    if not any(map(shutil.which, COMPILERS)):
        say(f"no C compiler is on the PATH ({', '.join(COMPILERS)}): everything runs interpreted")
        return
    base.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".making-", dir=base) as directory:
        partial = Path(directory) / "copy"
        target = base / copied(partial)
        if not target.is_dir():
            say("compiling (some five minutes at the first time, and after changes)")
            compile_in(partial)
            # Two at once make one each, of the same; whoever is done first has made it.
            with suppress(OSError):
                partial.rename(target)
    target.touch()
    # Who runs from an older one goes on with it; what nobody asked for lately goes away.
    for old in sorted((one for one in base.iterdir() if len(one.name) == DIGITS), key=lambda one: -one.stat().st_mtime)[
        KEPT:
    ]:
        shutil.rmtree(old, ignore_errors=True)
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
