"""A programme file is read with a reason for every mistake, and two versions are compared in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from laurel_cli.programme_file import read_programme
from laurel_cli.programme_words import Change, condition_in_words, differences, money, rules
from laurel_cli.refusal import CommandError
from laurel_contracts.programme import Condition, parse, sha256

REFERENCE = Path(__file__).parents[3] / "deploy" / "program" / "reference.yaml"


def test_the_reference_programme_is_valid_and_can_be_had_in_another_currency_and_zone() -> None:
    reference = read_programme(REFERENCE)
    assert (reference.currency, reference.zone, reference.version) == ("CNY", "Asia/Shanghai", 1)
    here = read_programme(REFERENCE, currency="USD", zone="America/New_York", version=2)
    assert (here.currency, here.zone, here.version) == ("USD", "America/New_York", 2)
    assert sha256(here) != sha256(reference)


def test_the_same_rules_have_no_differences_whatever_their_version() -> None:
    assert differences(read_programme(REFERENCE), read_programme(REFERENCE, version=2)) == []


def test_a_changed_threshold_a_new_campaign_and_a_lost_one_are_told_in_words() -> None:
    import msgspec

    before = read_programme(REFERENCE)
    document = msgspec.to_builtins(before)
    document["tiers"]["ladder"][2]["keep"][0]["at_least"] = 90_000
    document["campaigns"][0]["what"][0]["points"] = 150
    document["campaigns"][1]["id"] = "bigger-basket"
    found = differences(before, parse(msgspec.json.encode(document)))
    assert found[:2] == [
        Change(
            "tier gold: kept by", "spend in 365 days at least 1,000.00 CNY", "spend in 365 days at least 900.00 CNY"
        ),
        Change("campaign first-purchase: gives", "100 points", "150 points"),
    ]
    assert Change("campaign bigger-basket: name", "–", "Big basket") in found
    assert Change("campaign big-basket: name", "Big basket", "–") in found


def test_every_part_of_a_programme_is_named() -> None:
    names = [name for name, _ in rules(read_programme(REFERENCE))]
    assert len(names) == len(set(names))
    assert {"zone", "points on purchases: rate", "tier silver: reached by", "campaign upgrade-gift: fires on"} <= set(
        names
    )


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition(metric="orders_in_days", days=30, at_least=4), "orders in 30 days at least 4"),
        (Condition(metric="largest_order", at_least=20_000), "largest order at least 200.00 USD"),
        (Condition(always=True), "always"),
        (Condition(all=(Condition(metric="growth_total", at_least=9), Condition(metric="complaints_in_days", days=90, at_most=0))),
         "growth total at least 9 and complaints in 90 days at most 0"),
    ],
)  # fmt: skip
def test_conditions_read_as_sentences(condition: Condition, words: str) -> None:
    assert condition_in_words(condition, "USD", 2) == words


def test_money_is_written_as_people_write_it() -> None:
    assert [money(minor, 2, "USD") for minor in (123_456, 5, -99, 0)] == [
        "1,234.56 USD",
        "0.05 USD",
        "-0.99 USD",
        "0.00 USD",
    ]
    assert money(1500, 0, "JPY") == "1,500 JPY"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "is not YAML"), ("- 1", "does not hold a programme"), ("programme: x\nversion: 0\n", "no valid programme"),
        ("programme: x\nversion: 1\ncurrency: USD\nzone: UTC\ntiers: {ladder: []}\npionts: {}\n", "pionts"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_programme_says_where_it_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(CommandError, match=reason):
        read_programme(path)
