"""Makes the prices of a Region anew from AWS's Price List API.

Source: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import boto3

from hpc.errors import PlatformUnreachable

# The API has few endpoints; this one knows the prices of all Regions but those in China.
API_REGION = "us-east-1"
# The size whose price stands for its family; it has two vCPUs.
_SIZE, _ITS_VCPUS = "large", 2


def refreshed(table: Mapping[str, Any], region: str, families: list[str], pricing: Any = None) -> dict[str, Any]:
    """The table with the prices of a Region as they are today; families that AWS does not offer there have none.

    `pricing` is a client of the API. Raises PlatformUnreachable when it knows no price at all of the Region.
    """
    client = pricing or boto3.client("pricing", region_name=API_REGION)
    hourly = {family: _instance_price(client, region, f"{family}.{_SIZE}") for family in families}
    known = {family: round(price / _ITS_VCPUS, 8) for family, price in hourly.items() if price is not None}
    if not known:
        raise PlatformUnreachable(
            f"Price List API: found no price of {', '.join(families)} in {region}; expected one at least; "
            "name a Region of AWS, such as eu-central-1"
        )
    entry = {**table["regions"].get(region, {}), "as_of": date.today().isoformat(), "vcpu_hour": known}
    if disk := _disk_price(client, region):
        entry["gp3_gib_month"] = disk
    return {**table, "regions": dict(sorted({**table["regions"], region: entry}.items()))}


def _instance_price(client: Any, region: str, instance_type: str) -> float | None:
    filters = {
        "regionCode": region,
        "instanceType": instance_type,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    return _one_price(client, filters)


def _disk_price(client: Any, region: str) -> float | None:
    return _one_price(client, {"regionCode": region, "productFamily": "Storage", "volumeApiName": "gp3"})


def _one_price(client: Any, filters: Mapping[str, str]) -> float | None:
    """The price of the product that these fit; the dearest one when there are several, None when there is none."""
    pages = client.get_paginator("get_products").paginate(
        ServiceCode="AmazonEC2",
        Filters=[{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()],
    )
    found = [price for page in pages for product in page["PriceList"] for price in _prices_of(json.loads(product))]
    return max(found, default=None)


def _prices_of(product: Mapping[str, Any]) -> Iterator[float]:
    """The prices above zero of an offer on demand, in dollars; zeros are of reservations that are paid already."""
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            price = float(dimension["pricePerUnit"].get("USD", 0))
            if price > 0:
                yield price
