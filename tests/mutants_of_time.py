"""Mutants of what keeps time and versions."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

OF_TIME: Final = (
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
        "machines-time",
        "a machine whose clock is wrong gives its time to what it publishes",
        "chassis/log_clock.py",
        "return self.base + (time.monotonic_ns() - self.seen) // NANOSECONDS",
        "return time.time_ns() // NANOSECONDS",
        "unit/test_clock.py::test_the_logs_time_is_no_machines",
    ),
    Mutant(
        "machines-time-jumps",
        "a deadline is over when the clock of the tool's machine jumps",
        "tools/log_time.py",
        "return self.base + (time.monotonic_ns() - self.seen) // NANOSECONDS",
        "return time.time_ns() // NANOSECONDS",
        "unit/test_tools_log_time.py::test_too_late_is_what_waited_longer_than_it_had",
    ),
    Mutant(
        "log-time-stands-still",
        "between two records of the log no time passes, so that what waits is never late",
        "tools/log_time.py",
        "return self.base + (time.monotonic_ns() - self.seen) // NANOSECONDS",
        "return self.base",
        "unit/test_tools_log_time.py::test_the_logs_time_goes_on_between_records",
    ),
    Mutant(
        "clock-not-heard",
        "a shard does not merge the hybrid clock of what it reads",
        "chassis/hop.py",
        "shard.hlc = clock.receive(shard.hlc, hlc, at_ms)",
        "shard.hlc = clock.receive(shard.hlc, 0, at_ms)",
        "unit/test_hop_clock.py::test_an_effect_is_later_than_a_cause_whose_clock_is_ahead",
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
