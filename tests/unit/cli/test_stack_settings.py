"""What is decided once per stack does not drift, and nobody moves the business clock back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from laurel_cli.stack import Stack, StackError
from laurel_cli.stack.cluster import KafkaCluster
from laurel_cli.stack.ports import OFFSETS
from laurel_cli.stack.postgres import wanted_settings
from laurel_cli.stack.settings import Settings, agree, offset_seconds
from laurel_cli.stack.state import Home

CLOCK = "2018-01-02T00:00:00-05:00"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("LAUREL_PORT_BASE", raising=False)
    return Home(tmp_path / "home")


def asked(
    home: Home,
    *,
    port_base: int | None = None,
    clock: str | None = None,
    days: str | None = None,
    partitions: int | None = None,
    brokers: int | None = None,
    running: tuple[str, ...] = (),
) -> Settings:
    return agree(
        home, port_base=port_base, clock=clock, days=days, partitions=partitions, brokers=brokers, running=set(running)
    )


def test_a_new_stack_has_the_defaults_and_a_later_start_finds_what_was_chosen(home: Home) -> None:
    assert asked(home) == Settings(port_base=7400, clock=None, clock_offset_seconds=0, days="clock", partitions=16)
    chosen = asked(Home(home.root.with_name("other")), port_base=21_000, days="command", partitions=4)
    assert asked(Home(home.root.with_name("other"))) == chosen


def test_the_offset_is_the_distance_from_now_to_the_business_moment() -> None:
    expected = datetime.fromisoformat(CLOCK).timestamp() - time.time()
    assert offset_seconds(CLOCK) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("clock", ["2018-01-02T00:00:00", "yesterday"])
def test_a_clock_that_is_no_moment_with_an_offset_is_refused(clock: str) -> None:
    with pytest.raises(StackError, match="like 2018-01-02T00:00:00-05:00"):
        offset_seconds(clock)


def test_the_same_clock_asked_again_keeps_the_offset_of_the_first_time(home: Home) -> None:
    first = asked(home, clock=CLOCK)
    home.set(settings={**home.setting("settings"), "clock_offset_seconds": first.clock_offset_seconds - 100})
    home.set(services_began=True)
    assert asked(home, clock=CLOCK).clock_offset_seconds == first.clock_offset_seconds - 100


def test_after_services_have_run_the_clock_goes_forward_only(home: Home) -> None:
    asked(home, clock=CLOCK)
    home.set(services_began=True)
    with pytest.raises(StackError, match="never goes back"):
        asked(home, clock="2017-01-02T00:00:00-05:00")
    assert asked(home, clock="2019-01-02T00:00:00-05:00").clock == "2019-01-02T00:00:00-05:00"


def test_a_stack_that_ran_at_the_real_time_is_not_taken_back_either(home: Home) -> None:
    asked(home)
    home.set(services_began=True)
    with pytest.raises(StackError, match="set to the real time"):
        asked(home, clock=(datetime.now(UTC) - timedelta(days=1)).isoformat())


def test_what_services_were_started_with_is_not_changed_under_them(home: Home) -> None:
    asked(home)
    with pytest.raises(StackError, match="stop them first"):
        asked(home, days="command", running=("tier-svc",))
    with pytest.raises(StackError, match="runs at port base 7400"):
        asked(home, port_base=21_000, running=("postgres",))


def test_the_number_of_partitions_is_fixed_for_the_life_of_a_stack(home: Home) -> None:
    asked(home, partitions=4)
    with pytest.raises(StackError, match="made with 4 partitions"):
        asked(home, partitions=8)


def test_the_number_of_brokers_is_fixed_for_the_life_of_a_stack(home: Home) -> None:
    asked(home, brokers=3)
    assert asked(home).brokers == 3
    with pytest.raises(StackError, match=r"made with 3 brokers.*laurel reset"):
        asked(home, brokers=1)
    assert asked(home).brokers == 3


def test_a_stack_from_before_there_was_a_choice_has_one_broker(home: Home) -> None:
    asked(home)
    home.set(settings={name: value for name, value in home.setting("settings").items() if name != "brokers"})
    with pytest.raises(StackError, match="made with one broker"):
        asked(home, brokers=3)


def test_every_part_has_ports_of_its_own_and_one_broker_keeps_its_name() -> None:
    assert len(set(OFFSETS.values())) == len(OFFSETS)
    one, three = (KafkaCluster(Home(Path("nowhere")), 7400, brokers) for brokers in (1, 3))
    assert (one.parts, one.bootstrap) == (("kafka",), "127.0.0.1:7410")
    assert three.parts == ("kafka-1", "kafka-2", "kafka-3")
    assert three.bootstrap == "127.0.0.1:7410,127.0.0.1:7412,127.0.0.1:7414"


@pytest.mark.parametrize(
    "wrong", [{"partitions": 0}, {"brokers": 2}, {"days": "night"}, {"port_base": 80}, {"port_base": 65_530}]
)
def test_a_setting_out_of_its_limits_is_refused(home: Home, wrong: dict[str, object]) -> None:
    with pytest.raises(StackError):
        asked(home, **wrong)  # type: ignore[arg-type]
    assert home.setting("settings") is None


def test_a_directory_that_holds_other_things_never_becomes_a_stack(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StackError, match="is not empty and holds no stack"):
        Stack(tmp_path).up(only={"prometheus"})
    Stack(tmp_path).wipe()
    assert (tmp_path / "thesis.txt").exists()


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(home: Home) -> None:
    first = home.secret("database-points")
    assert home.secret("database-points") == first
    assert home.secret("database-tier") != first
    assert (home.secrets / "database-points").stat().st_mode & 0o777 == 0o600


def test_an_unknown_part_is_refused_with_the_names_there_are(home: Home) -> None:
    with pytest.raises(StackError, match="there is no part redis; there are postgres, kafka"):
        Stack(home.root).up(only={"redis"})


def test_what_postgres_is_given_beside_our_own_settings_is_name_and_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_POSTGRES_SETTINGS", "shared_buffers=3GB  max_wal_size=16GB")
    assert wanted_settings() == {"shared_buffers": "3GB", "max_wal_size": "16GB"}
    monkeypatch.setenv("LAUREL_POSTGRES_SETTINGS", "shared_buffers")
    with pytest.raises(StackError, match="'shared_buffers' is not name=value"):
        wanted_settings()
