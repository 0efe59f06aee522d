"""`motet chaos` as a command; `test_quick_profile.py` beside this runs it to its end."""

from __future__ import annotations

from pathlib import Path

from chaos_command import chaos
from motet.chaos.faults import FAULTS


def test_what_is_asked_for_wrongly_is_one_line(tmp_path: Path) -> None:
    """A fault and a profile that do not exist, and servers that are somebody's."""
    for arguments, more, said in (
        (("--fault", "flood"), {}, "there is no fault 'flood': `motet chaos --list` has them"),
        (("--profile", "weekend"), {}, "--profile is 'weekend': it is quick, night, release"),
        (
            (),
            {"MOTET_KAFKA_BOOTSTRAP": "127.0.0.1:1"},
            "MOTET_KAFKA_BOOTSTRAP: chaos breaks servers, so it starts its own",
        ),
    ):
        done = chaos(tmp_path, *arguments, **more)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr


def test_every_fault_is_listed(tmp_path: Path) -> None:
    """By its name, with what it does."""
    listed = chaos(tmp_path, "--list").stdout
    assert all(f"{one.name} " in listed and one.about in listed for one in FAULTS.values())
