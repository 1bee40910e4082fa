"""How large the next transaction is, by how the last ones went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from laurel_kit.batch_size import BATCH_RECORDS_MAX, BATCH_RECORDS_MIN, BATCH_RECORDS_WAITED_FOR, BatchSize

HOW = st.sampled_from(["waited for", "not waited for", "too slow"])


def after(size: BatchSize, *ended: str) -> int:
    for how in ended:
        if how == "too slow":
            size.too_slow()
        else:
            size.applied(waited_for=how == "waited for")
    return size.records


def test_it_shrinks_at_once_when_somebody_has_waited_and_no_further() -> None:
    size = BatchSize()
    assert [after(size, "waited for") for _ in range(3)] == [250, 250, 250]


def test_it_is_halved_further_where_the_database_is_too_slow() -> None:
    size = BatchSize()
    assert [after(size, "too slow") for _ in range(7)] == [500, 250, 125, 62, 31, 16, 16]
    assert after(size, "waited for") == BATCH_RECORDS_MIN  # waiting makes nothing larger


def test_it_grows_back_to_what_is_allowed_and_no_further() -> None:
    size = BatchSize()
    after(size, "waited for")
    assert after(size, "not waited for") == BATCH_RECORDS_WAITED_FOR + 16
    assert after(size, *["not waited for"] * 100) == BATCH_RECORDS_MAX


@given(st.integers(1, 2_000), st.lists(HOW, max_size=200))
def test_it_is_never_nothing_and_never_more_than_allowed(most: int, ended: list[str]) -> None:
    """What would break it: a floor above what a person has allowed, or halves of one."""
    size = BatchSize(most)
    for how in ended:
        before = size.records
        now = after(size, how)
        assert 1 <= now <= most
        assert how == "not waited for" or now <= before
