"""Money in files becomes integer minor units without a float's error."""

from __future__ import annotations

from decimal import Decimal

import pytest

from laurel_cli.importing.money import minor_units


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        ("0.29", 29), (0.29, 29), ("1234.50", 123450), (1234.5, 123450), (5, 500), ("5", 500), (Decimal("5.00"), 500),
        (" 7.10 ", 710), ("0", 0), (1e-7, 0), ("1e2", 10000), (8.41, 841), (1.1 + 2.2, 330), (0.1 + 0.2, 30),
    ],
)  # fmt: skip
def test_an_amount_is_the_decimal_that_is_written(written: object, minor: int) -> None:
    assert minor_units(written, 2) == minor


@pytest.mark.parametrize(("written", "minor"), [("0.005", 0), ("0.015", 2), ("0.025", 2), ("0.0051", 1), (2.675, 268)])
def test_what_is_finer_than_a_minor_unit_is_rounded_half_to_even(written: object, minor: int) -> None:
    assert minor_units(written, 2) == minor


def test_the_currency_decides_how_many_decimals_count() -> None:
    assert minor_units("1500", 0) == 1500
    assert minor_units("1.234", 3) == 1234


@pytest.mark.parametrize(
    "written", ["", "abc", "1,234.50", "€3", float("nan"), float("inf"), True, None, "-1.00", -0.01, "1e13"]
)
def test_what_is_no_amount_is_refused_with_a_reason(written: object) -> None:
    with pytest.raises(ValueError, match=r"amount"):
        minor_units(written, 2)
