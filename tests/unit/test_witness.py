"""The witness itself: what later tests of "exactly once" believe."""

from __future__ import annotations

import threading

import httpx
import pytest

from motet.chaos.witness import Witness, WitnessFailed


def test_a_key_has_one_effect_and_no_key_has_many(witness: Witness) -> None:
    """`/charge` honours keys and `/nokey` does not; both are in the log by their key, and lookup finds either."""
    for path in ("/charge", "/nokey"):
        key = path[1:]
        before = httpx.get(f"{witness.url}/lookup/{key}").json()
        answers = [httpx.post(witness.url + path, headers={"Idempotency-Key": key}).json() for _ in range(2)]
        after = httpx.get(f"{witness.url}/lookup/{key}").json()
        assert before == {"applied": False, "answer": None}
        assert after == {"applied": True, "answer": answers[0]}
    assert [effect["key"] for effect in witness.effects()] == ["charge", "nokey", "nokey"]
    assert len(witness.requests("charge")) == 2
    httpx.post(f"{witness.url}/charge")
    httpx.post(f"{witness.url}/charge")
    assert len(witness.effects("")) == 2


def test_an_effect_is_there_before_its_answer(witness: Witness) -> None:
    """`?delay=` answers late; meanwhile the key is in progress, and others are served."""
    url, headers = f"{witness.url}/charge?delay=60", {"Idempotency-Key": "slow"}

    def ask() -> None:
        with pytest.raises(httpx.TransportError):
            httpx.post(url, headers=headers, timeout=120)

    waiting = threading.Thread(target=ask)
    waiting.start()
    assert [effect["path"] for effect in witness.await_effects(1, "slow")] == ["/charge"]
    assert httpx.post(url, headers=headers).status_code == 409
    assert httpx.post(f"{witness.url}/charge", headers={"Idempotency-Key": "other"}).status_code == 200
    assert len(witness.await_requests(2, "slow")) == 2
    witness.stop()
    waiting.join()


def test_the_log_outlives_the_process(witness: Witness) -> None:
    """Killed and started again at the same place: the key's answer is what it was, and its other body is refused."""
    headers = {"Idempotency-Key": "kept"}
    first = httpx.post(f"{witness.url}/charge", headers=headers, json=1)
    witness.kill()
    again = Witness.start(witness.directory, witness.port)
    try:
        assert again.url == witness.url
        assert httpx.post(f"{again.url}/charge", headers=headers, json=1).json() == first.json()
        assert httpx.post(f"{again.url}/charge", headers=headers, json=2).status_code == 422
        assert len(again.effects("kept")) == 1
        with pytest.raises(WitnessFailed, match="ended with 1"):
            Witness.start(witness.directory, again.port)
    finally:
        again.stop()
    assert again.child.returncode == 0
