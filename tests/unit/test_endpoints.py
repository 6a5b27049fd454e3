"""Each region has a host, and an explicit endpoint always wins."""

from typing import Literal

import pytest
from alibabacloud_gpdb20160503.client import Client
from alibabacloud_tea_openapi.utils_models import Config

from exporter.gpdb.endpoints import base_url
from exporter.model import Target
from exporter.secret import Secret

CENTRAL = [
    "cn-hangzhou",
    "cn-hangzhou-finance",
    "ap-northeast-2-pop",
    "ap-south-1",
    "ap-southeast-2",
    "cn-beijing-finance-1",
    "cn-beijing-finance-pop",
    "cn-beijing-gov-1",
    "cn-hongkong-finance-pop",
    "cn-shanghai-inner",
    "cn-shenzhen-inner",
    "cn-wuhan",
    "cn-yushanfang",
    "cn-zhangbei",
    "cn-edge-1",
    "cn-fujian",
    "eu-west-1-oxs",
    "rus-west-1-pop",
]
REGIONAL = ["cn-beijing", "cn-shanghai", "cn-shenzhen", "cn-hongkong", "ap-southeast-1", "us-new-9"]


def target(
    region_id: str, *, endpoint: str = "", network: Literal["public", "vpc"] = "public"
) -> Target:
    """A target in a region."""
    return Target("t", region_id, Secret("p"), endpoint=endpoint, network=network)


@pytest.mark.parametrize("region_id", CENTRAL)
def test_central(region_id: str) -> None:
    """The regions of the official SDK's map have the central host."""
    assert base_url(target(region_id)) == "https://gpdb.aliyuncs.com"


@pytest.mark.parametrize("region_id", REGIONAL)
def test_regional(region_id: str) -> None:
    """Every other region, a new one too, has a host of its own."""
    assert base_url(target(region_id)) == f"https://gpdb.{region_id}.aliyuncs.com"


@pytest.mark.parametrize("region_id", CENTRAL + REGIONAL)
def test_vpc(region_id: str) -> None:
    """Inside a VPC every region has a host of its own, those with the central host as well."""
    url = base_url(target(region_id, network="vpc"))

    assert url == f"https://gpdb-vpc.{region_id}.aliyuncs.com"


@pytest.mark.parametrize("region_id", ["cn-hangzhou", "cn-beijing"])
@pytest.mark.parametrize("network", ["public", "vpc"])
def test_explicit(region_id: str, network: Literal["public", "vpc"]) -> None:
    """An explicit endpoint wins over region and network."""
    url = base_url(target(region_id, network=network, endpoint="http://127.0.0.1:18080"))

    assert url == "http://127.0.0.1:18080"


@pytest.mark.parametrize("region_id", CENTRAL + REGIONAL)
def test_agrees_with_the_sdk(region_id: str) -> None:
    """Without a setting, each host is the one that the official SDK calls."""
    sdk = Client(Config(region_id=region_id))

    assert base_url(target(region_id)) == f"https://{sdk._endpoint}"
