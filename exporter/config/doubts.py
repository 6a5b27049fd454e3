"""What may be right, but was hardly meant: names of no region, values of examples. Pure."""

import difflib
import re
from typing import Final

REGIONS: Final = frozenset(
    {
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-2-pop",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "cn-beijing",
        "cn-beijing-finance-1",
        "cn-beijing-finance-pop",
        "cn-beijing-gov-1",
        "cn-chengdu",
        "cn-edge-1",
        "cn-fujian",
        "cn-fuzhou",
        "cn-guangzhou",
        "cn-hangzhou",
        "cn-hangzhou-finance",
        "cn-heyuan",
        "cn-heyuan-acdr-1",
        "cn-hongkong",
        "cn-hongkong-finance-pop",
        "cn-huhehaote",
        "cn-nanjing",
        "cn-north-2-gov-1",
        "cn-qingdao",
        "cn-shanghai",
        "cn-shanghai-finance-1",
        "cn-shanghai-inner",
        "cn-shenzhen",
        "cn-shenzhen-finance-1",
        "cn-shenzhen-inner",
        "cn-wuhan",
        "cn-wuhan-lr",
        "cn-wulanchabu",
        "cn-yushanfang",
        "cn-zhangbei",
        "cn-zhangjiakou",
        "cn-zhengzhou-jva",
        "eu-central-1",
        "eu-west-1",
        "eu-west-1-oxs",
        "me-central-1",
        "me-east-1",
        "na-south-1",
        "rus-west-1-pop",
        "us-east-1",
        "us-southeast-1",
        "us-west-1",
    }
)
"""Those in the vendor's lists of endpoints, and in the map of the SDK. There may be others."""

_PLACEHOLDER = re.compile(
    r"…|\.\.\.|x{5}|\*{3}|^<.*>$|^\[.*\]$|your[-_ ]|change[-_ ]?me|place-?holder|^todo$",
    re.IGNORECASE,
)


def doubt_about_region(region: str) -> str:
    """Return why a region is hardly meant; empty if it is known."""
    if region in REGIONS:
        return ""
    near = difflib.get_close_matches(region[:64], REGIONS, n=1, cutoff=0.7)
    meant = f"did you mean {near[0]}?" if near else "check it, unless it is a new one"
    return f"no region of this name is known here: {meant}"


def is_placeholder(value: str) -> bool:
    """Whether a value stands in an example for one of the user's own."""
    return _PLACEHOLDER.search(value) is not None
