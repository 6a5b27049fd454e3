"""Which host answers for a region.

The order is the official SDK's (alibabacloud-gpdb20160503 5.12.0): an explicit endpoint, then the
map of exceptions, then ``gpdb.<region>.aliyuncs.com``. One difference: the SDK looks at its map
even when a VPC host is asked for, and so hands out the public host in cn-hangzhou.
"""

from exporter.model import Target

CENTRAL_HOST = "gpdb.aliyuncs.com"
_CENTRAL_REGIONS = frozenset(
    {
        "ap-northeast-2-pop",
        "ap-south-1",
        "ap-southeast-2",
        "cn-beijing-finance-1",
        "cn-beijing-finance-pop",
        "cn-beijing-gov-1",
        "cn-edge-1",
        "cn-fujian",
        "cn-hangzhou",
        "cn-hangzhou-finance",
        "cn-hongkong-finance-pop",
        "cn-shanghai-inner",
        "cn-shenzhen-inner",
        "cn-wuhan",
        "cn-yushanfang",
        "cn-zhangbei",
        "eu-west-1-oxs",
        "rus-west-1-pop",
    }
)


def base_url(target: Target) -> str:
    """Return scheme and host of a target's API such as ``https://gpdb.aliyuncs.com``."""
    if target.endpoint:
        return target.endpoint
    if target.network == "vpc":
        return f"https://gpdb-vpc.{target.region_id}.aliyuncs.com"
    if target.region_id in _CENTRAL_REGIONS:
        return f"https://{CENTRAL_HOST}"
    return f"https://gpdb.{target.region_id}.aliyuncs.com"


def is_regional_by_default(target: Target) -> bool:
    """Whether a target's host is its region's own public one because nothing else is said.

    Some of the vendor's pages name the central host for regions where the SDK does not.
    """
    is_public = not target.endpoint and target.network != "vpc"
    return is_public and target.region_id not in _CENTRAL_REGIONS
