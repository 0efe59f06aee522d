"""What one call's end means for the others: three plans with the same three calls."""

from motet import Call, Client, Policy
from motet.records import AttemptsEnded, EndedAttempt

calls = [
    Call("shop.quote", {"supplier": "Grace"}, id="quick"),
    Call("shop.quote", {"supplier": "none"}, id="none", after=["quick"]),
    Call("shop.quote", {"supplier": "slow"}, id="slow"),
]


def ended_late(record: object) -> tuple[EndedAttempt, ...]:
    """The attempts that ended after their call had its place in the history."""
    return tuple(one for one in record.attempts if one.late) if isinstance(record, AttemptsEnded) else ()


with Client(tenant="acme", domain="policies") as client:
    events = client.events(domain="policies")
    for policy in (Policy(), Policy(batch="fail_fast"), Policy(batch="quorum", quorum=1)):
        ended = client.run(calls, policy=policy)
        print(policy.batch, ended.status, [call.error_code or call.status for call in ended.results])
    late = next(end for event in events for end in ended_late(event.record) if end.outcome == "SUCCEEDED")
    print("too late, recorded and not merged:", late.result)
