"""Kinds 71 to 110: amounts, and what no shop could have meant."""

from __future__ import annotations

from tests.fault.input.malformed import (
    ACCEPTED,
    CURRENCY,
    TIME,
    WAITING,
    Kind,
    Sent,
    alike,
    dead,
    is_bytes,
    is_report,
    refund,
    refused,
    sale,
    taken,
    text,
    unreadable,
    with_data,
    without_data,
)
from tests.support.model_events import Line
from tests.support.reports import purchase_report, review_report, sign_in_report
from tests.support.shop import Report

NO_TAX = "lines report what was really paid; there is no such field, so the nearest is a line below 0"


def priced(word: str, amount: object) -> Report:
    """A sale whose amount is this, in the line and in the sum, so that nothing else is wrong with it."""
    report = sale(word)
    line = report["data"]["lines"][0] | {"amount_minor": amount}
    return with_data(report, lines=[line], amount_minor=amount)


def spelt(word: str, amount: str) -> bytes:
    """The same with these characters, which JSON has no value for."""
    return text(sale(word, 4242)).replace(b"4242", amount.encode())


def lines(word: str, *amounts: int, quantity: int = 1) -> Report:
    """A sale of these lines."""
    rows = [Line(str(n), f"sku-{n}", "grocery", quantity, amount) for n, amount in enumerate(amounts, 1)]
    return purchase_report(
        f"pos/{word}", f"sale-{word}", TIME, f"card-{word}", f"order-{word}", rows, currency=CURRENCY
    )


def ordered(word: str, order_id: str) -> Report:
    """A sale under this receipt."""
    return with_data(sale(word), order_id=order_id)


def odd(word: str) -> Report:
    """A review with a rating that there is not."""
    return with_data(review_report(f"pos/{word}", word, TIME, f"card-{word}", word, f"order-{word}", "sku-1"), rating=6)


def amount(number: int, words: str, value: object) -> Kind:
    """An amount that is refused."""
    return alike(number, words, lambda word: priced(word, value), "invalid")


def spelling(number: int, words: str, value: str) -> Kind:
    """An amount that is JSON, but no integer."""
    return Kind(number, words, is_bytes(lambda word: spelt(word, value)), refused("invalid"), dead("invalid"))


AMOUNTS = (
    alike(71, "amount missing", lambda word: without_data(sale(word), "amount_minor"), "invalid"),
    amount(72, "amount null", None),
    amount(73, 'amount "10"', "10"),
    amount(74, 'amount "10,00"', "10,00"),
    amount(75, "amount 1.005", 1.005),
    spelling(76, "amount 1e3", "1e3"),
    spelling(77, "amount 1e400", "1e400"),
    unreadable(78, "amount NaN", lambda word: spelt(word, "NaN"), "RFC 8259: JSON has no such number"),
    unreadable(79, "amount Infinity", lambda word: spelt(word, "Infinity"), "RFC 8259: JSON has no such number"),
    Kind(80, "amount -0", is_bytes(lambda word: spelt(word, "-0")), ACCEPTED, ACCEPTED,
         remark="the integer 0, which domain.md 2.1 allows; kept and said as 0"),
    amount(81, "amount -1", -1),
    taken(82, "amount 0", lambda word: priced(word, 0), "domain.md 2.1: an order of 0 is a purchase, and earns nothing"),
    amount(83, "amount 2^53+1", 2**53 + 1),
    amount(84, "amount 2^63", 2**63),
    amount(85, "amount 2^64", 2**64),
    amount(86, "3 decimals in a currency of 2", 10.005),
    alike(87, "currency missing", lambda word: without_data(sale(word), "currency"), "invalid"),
    alike(88, 'currency "usd"', lambda word: with_data(sale(word), currency="usd"), "invalid"),
    alike(89, "unknown currency", lambda word: with_data(sale(word), currency="XXQ"), "wrong_currency"),
    alike(90, "currencies of refund and purchase differ", lambda word: with_data(sale(word), currency="EUR"), "wrong_currency",
          "a programme has one currency and a refund names none: the purchase is where it is noticed"),
    alike(91, "lines do not sum up to the total", lambda word: with_data(sale(word), amount_minor=999), "wrong_sum"),
    alike(92, "discount above the total", lambda word: lines(word, 1000, -2000), "invalid", NO_TAX),
    alike(93, "tax below 0", lambda word: lines(word, 1000, -80), "invalid", NO_TAX),
    amount(94, "a boolean amount", True),
    amount(95, "an array as amount", [1000]),
)  # fmt: skip

BUSINESS = (
    alike(96, "empty receipt", lambda word: ordered(word, ""), "invalid"),
    alike(97, "receipt of 10k characters", lambda word: ordered(word, "x" * 10_000), "invalid"),
    alike(98, "receipt with a zero-width blank", lambda word: ordered(word, f"order\u200b{word}"), "invalid",
          "it would be another order than the one that looks the same"),
    alike(99, "full-width digits", lambda word: ordered(word, f"{word}-１２３"), "invalid", "as 98; identifiers of people are normalised"),
    alike(100, "refund without a reference", lambda word: without_data(refund(word, word, 1), "order_id"), "invalid"),
    Kind(101, "refund of itself", is_report(lambda word: refund(word, f"r-{word}", 1)), WAITING, WAITING,
         remark="domain.md 2.2: no order has this number yet; after 30 days it is a dead letter"),
    Kind(102, "refund above the purchase", lambda word: Sent(text(refund(word, f"order-{word}", 1001)), before=[sale(word)]),
         refused("above_what_is_left"), dead("above_what_is_left")),
    Kind(103, "refund in the past of the purchase",
         lambda word: Sent(text(refund(word, f"order-{word}", 1, time="2024-04-01T10:00:00+00:00")), before=[sale(word)]),
         ACCEPTED, ACCEPTED,
         remark="domain.md 2.2: clocks of tills differ; a refund belongs to its order and takes back what that earned"),
    taken(104, "line with quantity 0", lambda word: lines(word, 1000, quantity=0), "domain.md 2.1: a quantity is an integer of at least 0"),
    alike(105, "negative quantity outside a refund", lambda word: lines(word, 1000, quantity=-1), "invalid"),
    alike(106, "10,000 lines", lambda word: lines(word, *[1] * 10_000), "too_large", "2,000 lines or 256 KiB at most"),
    taken(107, "SKU with SQL", lambda word: with_data(sale(word), lines=[
        sale(word)["data"]["lines"][0] | {"sku": "'; DROP TABLE member; --"}]), "text is kept as it is, and never part of a statement"),
    taken(108, "unknown store", lambda word: with_data(sale(word), store_id="store-nowhere"), "there is no register of stores"),
    alike(109, "review with rating 6", odd, "invalid"),
    alike(110, "sign-in on an impossible date",
          lambda word: sign_in_report(f"pos/{word}", word, "2023-02-29T10:00:00+00:00", f"card-{word}"), "invalid"),
)  # fmt: skip
