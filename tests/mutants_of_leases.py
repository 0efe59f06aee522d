"""Mutants of what grants leases and checks their tokens."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

OF_LEASES: Final = (
    Mutant(
        "granted-behind-others",
        "a request is granted while somebody is before it in a line",
        "leases/book.py",
        "return [Queued(lease)] if self.ahead(lease) else [self.grant",
        "return [Queued(lease)] if False else [self.grant",
        "unit/test_lease_book.py::test_several_resources_are_granted_as_one_and_in_the_order_of_the_log",
    ),
    Mutant(
        "granted-in-one-line",
        "who is first for one of its resources is granted all of them",
        "leases/book.py",
        "ready = [one for one in moved.values() if not self.ahead(one)]",
        "ready = list(moved.values())",
        "unit/test_lease_laws.py::test_leases_keep_their_laws",
    ),
    Mutant(
        "tokens-stand-still",
        "the next holder has the token of the one before",
        "leases/book.py",
        "        counters.tokens += 1\n",
        "        counters.tokens = 1\n",
        "unit/test_lease_book.py::test_a_token_never_goes_back",
    ),
    Mutant(
        "leases-never-end",
        "what nobody renews is held for ever",
        "leases/book.py",
        "while due and due[0][0] <= now:",
        "while False:",
        "unit/test_lease_book.py::test_a_wait_ends_in_time_and_lets_those_behind_pass",
    ),
    Mutant(
        "scopes-in-no-order",
        "plans take their leases in orders that cross",
        "plan/leases.py",
        "for scope, resource in sorted(map(scope_and_resource, self.found)):",
        "for scope, resource in sorted(map(scope_and_resource, self.found), reverse=True):",
        "unit/test_leased_laws.py::test_it_takes_everything_scope_by_scope_and_then_gets_in_line",
    ),
    Mutant(
        "a-lower-token-is-seen",
        "who was paused for longer than its lease writes all the same",
        "chassis/fencing.py",
        "WHERE f.token <= excluded.token RETURNING token",
        "RETURNING token",
        "integration/test_lease_fencing.py::test_a_holder_that_was_paused_for_longer_than_its_lease_is_refused",
    ),
    Mutant(
        "plan-tokens-not-checked",
        "a call of a plan whose lease went to another writes all the same",
        "tools/held.py",
        "in (*own, *given):",
        "in (*given,):",
        "integration/test_leased_plans.py::test_a_tool_host_that_was_paused_for_longer_than_the_lease_is_refused",
    ),
    Mutant(
        "two-leaders",
        "who led a job and was paused goes on with it",
        "chassis/singleton.py",
        "if row is None or row[0] != shard.epoch:",
        "if row is None:",
        "integration/test_leaders.py::test_an_act_under_a_token_that_is_not_the_rows_is_none",
    ),
)
