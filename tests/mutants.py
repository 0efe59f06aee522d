"""Mutants of the product: one small thing wrong each, and the test that must notice. `make mutants` tries them all.

A mutant is a text that stands exactly once in a file, and what is put in its place. The test is named before the mutant is tried: that some
test fails is not enough, the one that states the broken promise must.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Mutant:
    """`file` is under services/motet, `test` under tests, as pytest names it."""

    name: str
    breaks: str
    file: str
    before: str
    after: str
    test: str


MUTANTS: Final = (
    # -- the hop -----------------------------------------------------------------------------------------------------------
    Mutant(
        "no-lane-check",
        "a gap on a lane is taken as if nothing were missing",
        "chassis/lanes.py",
        "if stamp.number != place.number + 1:",
        "if False:",
        "unit/test_lanes.py::test_a_gap_is_refused",
    ),
    Mutant(
        "repeats-are-taken",
        "the last record of a lane is taken again when it is sent again",
        "chassis/lanes.py",
        "if stamp.number <= place.number:",
        "if stamp.number < place.number:",
        "unit/test_lanes.py::test_repeats_of_a_suffix_are_dropped",
    ),
    Mutant(
        "chain-not-compared",
        "a record that was changed in the log is not noticed by the one behind it",
        "chassis/lanes.py",
        "if stamp.previous != place.digest:",
        "if False:",
        "unit/test_lanes.py::test_a_changed_record_breaks_the_chain",
    ),
    Mutant(
        "chain-without-value",
        "the digest of a record says nothing about its value",
        "chassis/lanes.py",
        "len(key)) + key + value)",
        "len(key)) + key)",
        "unit/test_lanes.py::test_a_changed_record_breaks_the_chain",
    ),
    Mutant(
        "no-shard-fence",
        "an owner whose shard was taken over writes on",
        "chassis/hop.py",
        "if row.rowcount != 1 or offsets.rowcount != len(self.moved):",
        "if False:",
        "integration/test_shards.py::test_an_owner_that_wakes_up_late_is_fenced",
    ),
    Mutant(
        "not-published-again",
        "what was committed and not sent before a crash is never sent",
        "chassis/loop.py",
        "self.publisher.publish(number, rows, owned.next_position",
        "self.publisher.publish(number, [], owned.next_position",
        "integration/test_crashes.py::test_the_coordinator_killed_at_every_point",
    ),
    Mutant(
        "older-database-accepted",
        "a database that was restored from a backup runs effects again",
        "chassis/shard.py",
        "if offset > shard.offsets[topic]:",
        "if False:",
        "integration/test_shards.py::test_a_database_older_than_the_log_is_refused",
    ),
    Mutant(
        "parked-key-goes-on",
        "records behind one that could not be read overtake it",
        "chassis/hop.py",
        "if key is not None and key in self.shard.parked and",
        "if False and",
        "integration/test_shards.py::test_later_records_of_a_poisoned_key_are_parked_in_order",
    ),
    Mutant(
        "misplaced-command-is-taken",
        "a command in another partition than its key's is decided there, out of its order",
        "chassis/hop.py",
        "if source.door and partition_of(key, self.tools.partitions) != message.partition:",
        "if False:",
        "integration/test_bad_input.py::test_commands_in_the_wrong_partition_are_forwarded_in_order",
    ),
    Mutant(
        "reused-command-key",
        "a command with the key of another one gets that one's answer",
        "hosting/host.py",
        "if known.command_sha256 == command_digest(command):",
        "if True:",
        "integration/test_bad_input.py::test_the_same_key_with_other_content_is_refused",
    ),
    Mutant(
        "key-of-another-mode",
        "a key that another host's command took is free here",
        "hosting/commands.py",
        "if self.find(key, now) is None:",
        "if False:",
        "integration/test_choreography.py::test_a_key_has_one_order_whichever_way_its_commands_come",
    ),
    Mutant(
        "clock-goes-back",
        "an event's logical time is not later than that of the one before",
        "chassis/clock.py",
        "return max(last + 1,",
        "return max(last,",
        "unit/test_identity.py::test_the_clock_only_goes_forward",
    ),
    # -- order -------------------------------------------------------------------------------------------------------------
    Mutant(
        "results-in-completion-order",
        "calls take their place in the history as they end",
        "plan/model.py",
        "        calls, order = self.calls, self.order\n        while self.committed",
        "        self.order[self.committed :] = sorted(\n"
        '            self.order[self.committed :], key=lambda index: self.calls[index].status != "DONE"\n'
        "        )\n"
        "        calls, order = self.calls, self.order\n"
        "        while self.committed",
        "unit/test_schedule.py::test_every_plan_ends_and_commits_in_its_own_order",
    ),
    Mutant(
        "released-before-commit",
        "a plan lets its resources go while it still runs",
        "plan/lines.py",
        'return plan.isolation == "PLAN" and call.attempt > 0',
        "return False",
        "unit/test_compensation.py::test_a_plan_holds_what_its_compensations_use_until_they_are_done",
    ),
    Mutant(
        "writers-share",
        "two calls write one resource at once",
        "resources/queues.py",
        'if mode == "READ":',
        'if mode in ("READ", "WRITE"):',
        "unit/test_queues.py::test_what_conflicts_waits",
    ),
    Mutant(
        "a-reader-beside-a-writer",
        "what may share shares with what may not",
        "resources/queues.py",
        "if (other != kind or not kind) and",
        "if not kind and",
        "unit/test_queues.py::test_what_conflicts_waits",
    ),
    Mutant(
        "a-whole-is-a-name-like-others",
        "who closes the books works beside who uses an account",
        "resources/queues.py",
        "for whole in queue.above:",
        "for whole in queue.above[:0]:",
        "unit/test_queues.py::test_a_whole_waits_for_what_is_below_it_and_what_comes_later_waits_for_the_whole",
    ),
    Mutant(
        "a-long-plan-first",
        "a plan of many calls takes every slot that is free before others have their turn",
        "plan/slots.py",
        "self.rounds[what].move_to_end(plan.plan_id)",
        "self.rounds[what].move_to_end(plan.plan_id, last=False)",
        "unit/test_slots.py::test_plans_take_turns",
    ),
    Mutant(
        "a-name-from-a-result-is-not-claimed",
        "a plan holds nothing of what its calls may use once a result names it",
        "plan/contracts.py",
        'return whole_before("".join(out))',
        'return "nothing"',
        "unit/test_unknown_resources.py::test_a_plan_holds_the_whole_of_what_it_may_use",
    ),
    Mutant(
        "first-failure-is-told",
        "which of two calls failed first shows in the history",
        "plan/ends.py",
        "which = names[0] if len(names) == 1 else f\"one of {', '.join(names)}\"",
        'which = next(one.call_id for one in plan.calls if one.status == "DONE")',
        "unit/test_schedule.py::test_which_of_two_calls_failed_first_is_not_in_the_history",
    ),
    Mutant(
        "hybrid-begins-unreserved",
        "a hybrid plan begins before it has its resources",
        "plan/schedule.py",
        "if plan.reserves:",
        "if False:",
        "unit/test_hybrid.py::test_both_hosts_together_are_one_serial_run",
    ),
    Mutant(
        "doubt-gives-back",
        "a hybrid plan that ended gives back what its call in doubt keeps",
        "plan/schedule.py",
        "            plan.in_line = True\n            board.lines.release_all(plan)\n",
        "            plan.in_line = True\n            board.lines.release_all(plan)\n            reservations.give_back(board, plan)\n",
        "unit/test_hybrid.py::test_a_call_in_doubt_keeps_what_its_plan_reserved",
    ),
    Mutant(
        "choreographed-with-claims",
        "a call that may conflict with others runs where nobody keeps lines",
        "plan/choreography.py",
        "if claim.resource not in expected:",
        "if False:",
        "unit/test_plan_modes.py::test_a_claim_of_any_mode_needs_a_coordinator",
    ),
    # -- ends --------------------------------------------------------------------------------------------------------------
    Mutant(
        "doubt-is-tried-again",
        "a call of which nobody knows whether it happened is sent again",
        "plan/attempts.py",
        'REPEATABLE: Final = (*HARMLESS, "IDEMPOTENT")',
        'REPEATABLE: Final = (*HARMLESS, "IDEMPOTENT", "IRREVERSIBLE")',
        "unit/test_attempts.py::test_an_unknown_end_means_what_the_effect_class_says",
    ),
    Mutant(
        "doubt-is-a-failure",
        "a call that may have happened counts as one that did not",
        "plan/attempts.py",
        "return unknown(call, end) or (call.uncertain and not call.asks)",
        "return False",
        "unit/test_attempts.py::test_an_unknown_end_means_what_the_effect_class_says",
    ),
    Mutant(
        "doubt-lets-go",
        "what a call in doubt may have changed is not kept in quarantine",
        "plan/lines.py",
        "return any(one is not None and one.under_way for one in (call, undoing))",
        "return False",
        "unit/test_barriers.py::test_what_a_stopped_call_uses_stays_its_own_until_it_answers",
    ),
    Mutant(
        "doubt-stays-at-home",
        "nobody is told that a call of a hosted plan is in doubt",
        "plan/reservations.py",
        "if call_id != plan.doubt_told:",
        "if False:",
        "unit/test_hybrid.py::test_the_host_of_the_lines_knows_what_is_in_doubt_elsewhere",
    ),
    Mutant(
        "another-calls-end",
        "an end that bears another call's key is taken",
        "plan/schedule.py",
        "call.key == one.key and 0 < one.attempt",
        "0 < one.attempt",
        "unit/test_schedule.py::test_results_of_no_started_call_change_nothing",
    ),
    Mutant(
        "starts-behind-the-barrier",
        "a call starts after its plan was cancelled",
        "plan/ends.py",
        '    if call.status == "WAITING":\n        return "NOT_STARTED"\n',
        '    if call.status == "WAITING":\n        return "ENDED"\n',
        "unit/test_barriers.py::test_cancelled_while_it_waits",
    ),
    Mutant(
        "late-success-is-forgotten",
        "what succeeded after the undoing began is not undone",
        "plan/ends.py",
        "if (plan.undoing or plan.ended) and to_be_undone(call, undone=is_undone(plan)):",
        "if False:",
        "unit/test_compensation.py::test_a_success_that_is_found_after_the_compensation_is_undone_too",
    ),
    Mutant(
        "undone-in-commit-order",
        "compensations run first to last",
        "plan/undo.py",
        "return sorted(indexes, key=plan.order.index, reverse=True)",
        "return sorted(indexes, key=plan.order.index)",
        "unit/test_compensation.py::test_what_succeeded_is_undone_in_reverse_order_one_at_a_time",
    ),
    Mutant(
        "budget-counts-what-was-spent",
        "twenty calls at once pass a limit of ten",
        "plan/spending.py",
        "have = added(self.spent, self.reserved) if counting_reserved else self.spent",
        "have = self.spent",
        "unit/test_budgets.py::test_twenty_calls_at_once_do_not_pass_a_limit_of_ten",
    ),
    Mutant(
        "approval-of-other-arguments",
        "a person's decision about other arguments is taken",
        "plan/direct.py",
        "if command.arguments_sha256 != call.arguments_sha256:",
        "if False:",
        "unit/test_approvals.py::test_a_decision_about_other_arguments_is_refused",
    ),
    Mutant(
        "a-strangers-plan",
        "a tenant cancels the plan of another",
        "plan/direct.py",
        "if plan is None or (plan.tenant, plan.domain) != (command.tenant, command.domain):",
        "if plan is None:",
        "unit/test_barriers.py::test_a_plan_of_another_tenant_is_not_known",
    ),
    Mutant(
        "two-calls-one-key",
        "two identical calls of a plan have one key, so that one of them never happens",
        "plan/model.py",
        "self.tenant, self.plan_id, str(index), call.tool,",
        "self.tenant, self.plan_id, call.tool,",
        "unit/test_plan_model.py::test_every_call_has_a_key_of_its_own",
    ),
    Mutant(
        "breaker-never-opens",
        "a dead tool is asked again and again",
        "plan/breaker.py",
        "self.failures >= contract.breaker_failures):",
        "False):",
        "unit/test_breaker.py::test_after_so_many_failures_in_a_row_calls_fail_at_once",
    ),
    # -- effects -----------------------------------------------------------------------------------------------------------
    Mutant(
        "token-not-compared",
        "an attempt goes on though another owner has taken it up",
        "tools/outside.py",
        "work = ours.get((*one.place, one.call.attempt, one.token))",
        "work = next((ours[it] for it in ours if it[:3] == (*one.place, one.call.attempt)), None)",
        "unit/test_tools_takeover.py::test_what_another_has_taken_up_is_not_ours",
    ),
    Mutant(
        "deadline-not-awaited",
        "an attempt is acted on while its former owner may still run it",
        "tools/outside.py",
        "return 0.0 if harmless or same else time.monotonic() + one.milliseconds / MILLISECONDS",
        "return 0.0",
        "unit/test_tools_takeover.py::test_whom_a_new_owner_waits_for",
    ),
    Mutant(
        "irreversible-runs-again",
        "what cannot be undone is run again after a crash",
        "tools/outside.py",
        'again = tool.effect in ("PURE", "IDEMPOTENT") and not one.stopped',
        "again = not one.stopped",
        "unit/test_tools_takeover.py::test_what_a_former_owner_left",
    ),
    Mutant(
        "two-ends",
        "an attempt that was given up is ended a second time",
        "tools/work.py",
        '            if self.state == "GIVEN_UP":\n                if tells(end):',
        '            if self.state == "GIVEN_UP":\n                if True:',
        "unit/test_tools_outside.py::test_a_late_end_that_says_nothing_more_is_not_told",
    ),
    Mutant(
        "effect-before-intent",
        "an effect begins before its intent is durable, so that a crash leaves no trace of it",
        "tools/intents.py",
        "    if works:\n",
        "    if False:\n",
        "integration/test_tool_host.py::test_a_stopped_call_is_not_run_again_after_a_crash",
    ),
    Mutant(
        "failed-call-leaves-its-writes",
        "what a failed transactional call wrote stays",
        "tools/inside.py",
        "            with self.opening.connection.transaction():\n                return self.one(received, call)",
        "            return self.one(received, call)",
        "integration/test_bad_input.py::test_a_failing_call_leaves_its_neighbours_alone",
    ),
    Mutant(
        "repeat-runs-again",
        "a key that has a result runs once more",
        "tools/host.py",
        "            if answer.fits(call):\n                return succeeded(call, answer.result)\n",
        "            if answer.fits(call):\n                return None\n",
        "integration/test_keys.py::test_a_repeat_of_a_key_gets_the_first_result",
    ),
    # -- time and versions ---------------------------------------------------------------------------------------------------
    Mutant(
        "clocks-not-merged",
        "an effect may be earlier than its cause by their hybrid clocks",
        "chassis/clock.py",
        "BOUND_MS else max(last, heard)",
        "BOUND_MS else last",
        "unit/test_clock.py::test_order_of_causes_is_order_of_values",
    ),
    Mutant(
        "clock-without-bound",
        "one clock that is ahead by years takes everybody along for ever",
        "chassis/clock.py",
        "return last if ahead_ms(heard, wall_ms) > BOUND_MS else max(last, heard)",
        "return max(last, heard)",
        "unit/test_clock.py::test_the_bound_is_exact",
    ),
    Mutant(
        "version-not-compared",
        "a writer does not learn that another one was faster",
        "tools/versions.py",
        "expected = self.carried.get(resource, version)",
        "expected = None",
        "unit/test_expected_versions.py::test_a_tool_is_tested_by_calling_it",
    ),
    Mutant(
        "retry-at-the-old-version",
        "a call that rereads expects the version at which it was refused",
        "plan/ends.py",
        "call.expected.update({one.resource: one.found for one in mismatches})",
        "call.expected.update({one.resource: one.expected for one in mismatches})",
        "unit/test_expected_versions.py::test_a_tool_that_rereads_is_tried_again_at_the_version_found",
    ),
    Mutant(
        "concurrent-taken-as-newer",
        "of two regions' writes that did not know of each other one is lost",
        "versions/vector.py",
        "        if less and more:\n",
        "        if False:\n",
        "unit/test_version_vectors.py::test_copies_converge_in_any_order_with_repeats",
    ),
)
