"""The services that give out temporary keys of a role, on loopback, and the API that takes them.

Mimicked as far as the vendor's package looks at them: STS, the metadata service of an ECS instance,
and a credentials URI. Each key is a new one; it has a number.
"""

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from exporter.secret import Secret
from exporter.simulator.scenario import AccessKey
from exporter.simulator.verify import Rejected, verify
from exporter.simulator.verify import Request as SignedRequest
from tests.faults.bench import well
from tests.upstream import Behaviour, Request, Script, message, send

METADATA = "100.100.100.200"
METADATA_TOKEN = "TheMetadataTokenOfThisInstance"
ROLE = "the-role-of-this-instance"
SECRETS = ("RoleSecretNumber", "CAISRoleTokenNumber", METADATA_TOKEN, "TheOidcTokenOfThisPod")
"""What all secrets in here begin with: none of it may be in any output."""


class Issuer:
    """Gives out keys, one after the other.

    Args:
        life: seconds that a key is good.

    Attributes:
        count: how many it gave out.
        ahead: seconds that its clock is ahead of this machine's.
    """

    def __init__(self, life: float = 3600.0) -> None:
        self.life = life
        self.count = 0
        self.ahead = 0.0

    def issue(self) -> dict[str, str]:
        """Return the next key, as the services tell it."""
        self.count += 1
        ends = datetime.fromtimestamp(time.time() + self.ahead + self.life, UTC)
        key = role_key(self.count)
        assert key.security_token is not None
        return {
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret.reveal(),
            "SecurityToken": key.security_token.reveal(),
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def role_key(number: int) -> AccessKey:
    """Return a key by its number, from 1."""
    secret, token = f"RoleSecretNumber{number:04}", f"CAISRoleTokenNumber{number:04}/+="
    return AccessKey(f"STS.NTestKey{number:04}", Secret(secret), Secret(token))


def credentials_uri(issuer: Issuer) -> Script:
    """Give out a key to whoever asks."""
    return lambda _: send(message({"Code": "Success", **issuer.issue()}))


def sts(issuer: Issuer, expected: Mapping[str, str], token: Path) -> Script:
    """Give out a key for the OIDC token in a file, where all parameters are as expected."""

    def pick(request: Request) -> Behaviour:
        given = dict(parse_qsl(urlsplit(request.target).query))
        fixed = {"Action": "AssumeRoleWithOIDC", "OIDCToken": token.read_text(), **expected}
        if given.items() >= fixed.items():
            return send(message({"RequestId": "R", "Credentials": issuer.issue()}))
        return sts_refusal(json.dumps(given))

    return pick


def sts_refusal(told: str = "", code: str = "AuthenticationFail.NoPermission") -> Behaviour:
    """Refuse, as STS does, with a message that quotes what was asked."""
    return send(message({"RequestId": "R", "Code": code, "Message": told}, status=400))


def metadata(issuer: Issuer) -> Script:
    """Give out the key of the instance's role, to who brings a token that was got before."""
    path = "/latest/meta-data/ram/security-credentials/"

    def pick(request: Request) -> Behaviour:
        if (request.method, request.target) == ("PUT", "/latest/api/token"):
            return send(message(METADATA_TOKEN.encode()))
        if request.headers.get("x-aliyun-ecs-metadata-token") != METADATA_TOKEN:
            return send(message(status=403))
        if request.target == path:
            return send(message(ROLE.encode()))
        if request.target == path + ROLE:
            return send(message({"Code": "Success", **issuer.issue()}))
        return send(message(status=404))

    return pick


class Switch:
    """Does what its script says at the time.

    Attributes:
        script: may be changed.
    """

    def __init__(self, script: Script) -> None:
        self.script = script

    def __call__(self, request: Request) -> Behaviour:
        """Pick a behaviour."""
        return self.script(request)


class Api:
    """The API: takes what is signed with a key that it knows, and brings the key's own token.

    Attributes:
        numbers: of the keys that it takes.
        seen: the number of the key of each call, in order.
        refused: how many calls were refused.
        ahead: seconds that its clock is ahead of this machine's.
    """

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers or tuple(range(1, 100))
        self.seen: list[int] = []
        self.refused = 0
        self.ahead = 0.0

    def __call__(self, request: Request) -> Behaviour:
        """Pick a behaviour."""
        found = re.search(r"Credential=STS\.NTestKey(\d+),", request.headers["authorization"])
        self.seen.append(int(found[1]) if found else 0)
        try:
            _verify(request, time.time() + self.ahead)
        except Rejected as refusal:
            return self._refuse(refusal.code, refusal.http_status)
        if self.seen[-1] not in self.numbers:
            return self._refuse("InvalidSecurityToken.Expired", 400)
        return well(request)

    def _refuse(self, code: str, status: int) -> Behaviour:
        self.refused += 1
        return send(message({"Code": code, "Message": "No."}, status=status))


def _verify(request: Request, now: float) -> None:
    url = urlsplit(request.target)
    signed = SignedRequest(request.method, url.path, url.query, request.headers, request.body)
    verify(signed, {key.id: key for key in map(role_key, range(1, 100))}, now)
