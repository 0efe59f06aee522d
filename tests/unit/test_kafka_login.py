"""How clients log in: the properties of a file, and no others; a mistake is named by its line, and no value is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.chassis.errors import ConfigurationError
from motet.chassis.kafka_login import VARIABLE, reaching
from motet.platform.layout import Layout
from motet.platform.servers import with_own

ADDRESS = {"bootstrap.servers": "here:1", "socket.nagle.disable": True}


def test_without_a_file_there_is_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that what is sent is sent at once."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert reaching("here:1") == ADDRESS


def test_a_file_says_who_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments and empty lines are for people; a value may have an equals sign of its own."""
    file = tmp_path / "login"
    file.write_text("# mine\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n")
    monkeypatch.setenv(VARIABLE, str(file))
    known = ADDRESS | {"security.protocol": "SASL_SSL", "sasl.password": "a=b"}
    assert reaching("here:1") == known


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sasl.password secret", "line 2 is no name=value"),
        ("acks=0", "line 2: acks is not about the login"),
        ("bootstrap.servers=secret:1", "line 2: bootstrap.servers is not about the login"),
    ],
)
def test_what_is_no_login_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str) -> None:
    """What decides how records are sent and read is not for a file; and values may be secrets."""
    file = tmp_path / "login"
    file.write_text(f"security.protocol=SSL\n{line}\n")
    monkeypatch.setenv(VARIABLE, str(file))
    with pytest.raises(ConfigurationError, match=said) as caught:
        reaching("here:1")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that names it."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=f"{VARIABLE}: .*none cannot be read"):
        reaching("here:1")


def test_the_embedded_broker_takes_further_settings(tmp_path: Path) -> None:
    """Listeners are added to its own; other settings take the place of its own."""
    (tmp_path / "kafka.properties").write_text("# a second one\nlisteners=LOGIN://b:2\nlog.retention.ms=5\n")
    own = {"listeners": "PLAINTEXT://a:1", "log.retention.ms": "-1", "node.id": "1"}
    assert with_own(Layout(tmp_path), own) == {
        "listeners": "PLAINTEXT://a:1,LOGIN://b:2",
        "log.retention.ms": "5",
        "node.id": "1",
    }
    assert with_own(Layout(tmp_path / "elsewhere"), own) is own
