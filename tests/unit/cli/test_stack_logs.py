"""`laurel logs` shows the end of what the parts have written, and then what they add."""

from __future__ import annotations

from pathlib import Path

from laurel_cli.stack.logs import follow_logs, last_lines


def test_only_the_last_lines_are_shown_each_with_its_part(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert list(last_lines({"kafka": log, "postgres": tmp_path / "none.log"}, 2)) == [
        ("kafka", "line 9998"),
        ("kafka", "line 9999"),
    ]
    assert list(last_lines({"kafka": log}, 0)) == []


def test_what_is_added_is_followed_and_a_log_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("before the follower came\n")
    followed = follow_logs({"kafka": log, "postgres": tmp_path / "none.log"})

    def added(text: str, *, anew: bool = False) -> tuple[str, str]:
        with log.open("w" if anew else "a") as handle:
            handle.write(text)
        return next(followed)

    assert added("one\n") == ("kafka", "one")
    assert added("two\nhalf of thr") == ("kafka", "two")
    assert added("ee\n") == ("kafka", "half of three")
    assert added("anew\n", anew=True) == ("kafka", "anew")
