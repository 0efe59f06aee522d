"""Twenty calls at once cannot pass a limit of ten: what they may take is set aside before they start."""

from collections import Counter

from motet import Budget, Call, Client, Policy

calls = [Call("shop.charge", {"account": f"a{number}", "amount": 1}) for number in range(20)]
with Client(tenant="acme", domain="budget", agent="spender") as client:
    ten = client.run(calls, policy=Policy(budget=Budget(calls=10)))
    print(ten.status, dict(Counter(call.error_code or call.status for call in ten.results)))
    # A call may cost 0.10 and says that it cost 0.04: what it did not take is given back.
    half = client.run(calls, policy=Policy(budget=Budget(cost="0.50")))
    print(half.status, dict(Counter(call.error_code or call.status for call in half.results)))
    # What an agent may spend in a domain, over all its plans.
    client.direct.set_budget("spender", Budget(calls=15), reason="a trial")
    plans = [client.submit(calls[:10]), client.submit(calls[10:])]
    print([dict(Counter(call.error_code or call.status for call in plan.wait().results)) for plan in plans])
    print(plans[1].wait().results[-1].error_message)
