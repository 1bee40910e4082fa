"""Why a command of staff or of the command line is refused. The one thing not to break: the reasons are words that callers know."""

from __future__ import annotations

from typing import Any

# Reasons, and what must happen next.
NO_SUCH_PROGRAMME = "no_such_programme"
OTHER_PROGRAMME = "programme_differs"  # a published version never changes: publish a new one
UNUSABLE_PROGRAMME = "unusable_programme"
NOT_LOADED = "programme_not_loaded"  # wait until every service has loaded it
ALREADY_ACTIVE = "programme_already_active"
IN_THE_PAST = "effective_from_in_the_past"
FIRST_IS_FROM_THE_BEGINNING = "first_version_is_from_the_beginning"
AHEAD_OF_THE_CLOCK = "ahead_of_the_clock"
BEFORE_ANY_PROGRAMME = "before_any_programme"
NO_DAY_BEGINS = "no_day_begins_then"
DAY_PASSED = "a_later_day_is_closed"
IMPORT_RUNS = "import_runs"  # end the import, or let its lease die
NO_SUCH_SOURCE = "no_such_source"
NO_SUCH_LEASE = "no_such_lease"
NO_SUCH_MEMBER = "no_such_member"
TWO_MEMBERS = "identifiers_of_two_members"  # a merge is for staff to decide
ERASED = "erased_member"
UNUSABLE_IDENTIFIER = "unusable_identifier"
NO_SUCH_TIER = "no_such_tier"
BEYOND_ANY_PROGRAMME = "beyond_any_programme"
OVER_BEFORE_IT_BEGINS = "over_before_it_begins"
NO_SUCH_OVERRIDE = "no_such_override"
OVERRIDE_IS_OVER = "override_is_over"
KEY_REUSED = "idempotency_key_reused"  # another decision needs another key


class Refused(Exception):
    """A command is refused. `reason` is one of the words above, `detail` a sentence, `facts` what it was refused by."""

    def __init__(self, reason: str, detail: str, **facts: Any) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.facts = facts
