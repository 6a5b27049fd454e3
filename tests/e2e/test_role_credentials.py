"""Each way to a role's key, from the service that gives it out to the API that takes it."""

import re
import site
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.faults.bench import Scrape, configuration, scrape, target
from tests.faults.clocks import Clocks
from tests.namespaces import Network, needs_root
from tests.planted import assert_absent
from tests.processes import (
    ACCESS_KEYS,
    KEY,
    ONE_NAMESPACE,
    PATIENCE,
    Process,
    command,
    eventually,
    exporter,
    post,
    run,
    simulator,
)
from tests.role_services import (
    METADATA,
    METADATA_TOKEN,
    ROLE,
    SECRETS,
    Api,
    Issuer,
    Switch,
    credentials_uri,
    metadata,
    role_key,
    sts,
    sts_refusal,
)
from tests.upstream import Behaviour, Request, Script, Upstream, message, send

OIDC = {
    "RoleArn": "acs:ram::1:role/exporter",
    "OIDCProviderArn": "acs:ram::1:oidc-provider/ack-rrsa",
    "RoleSessionName": "adbpg-job-exporter",
}
JOBS = f"""{ACCESS_KEYS}{ONE_NAMESPACE}
jobs: [{{id: job, collection: c, namespace: main, entries: 9000000}}]
"""
PATIENT = 20.0
"""Seconds that a scrape may take which waits for a key: a process starts for it."""


def watching(url: str, **ram: object) -> str:
    """Return a configuration with a role's key."""
    return configuration(
        target("t", url, ["job"]),
        credentials={"provider": "ram", "ram": ram},
        api={"request_timeout": f"{PATIENT:.0f}s"},
    )


def patient(process: Process) -> Scrape:
    """Scrape with time for a key to come. No secret of a role is in the page or the log."""
    page = scrape(process, PATIENT)
    assert_absent(SECRETS, page.text + "\n".join(process.log), "the page or the log")
    return page


def in_configuration(token: Path) -> dict[str, str]:
    """The keys for a pod's role."""
    arns = {"role_arn": OIDC["RoleArn"], "oidc_provider_arn": OIDC["OIDCProviderArn"]}
    return {**arns, "oidc_token_file": str(token)}


def in_environment(token: Path) -> dict[str, str]:
    """The variables that the webhook of RRSA sets in a pod."""
    return {
        "ALIBABA_CLOUD_ROLE_ARN": OIDC["RoleArn"],
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": OIDC["OIDCProviderArn"],
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(token),
    }


@pytest.mark.parametrize("given", ["configuration", "environment"])
def test_oidc_token(tmp_path: Path, given: str) -> None:
    """STS gives a key for the OIDC token of a pod, and before it ends one for the token of then."""
    authority, clocks, api, issuer = Authority(tmp_path), Clocks(tmp_path), Api(), Issuer()
    token = tmp_path / "token"
    token.write_text("TheOidcTokenOfThisPod-1")
    ram = in_configuration(token) if given == "configuration" else {}
    environ = in_environment(token) if given == "environment" else {}
    # What makes the vendor's package print headers must change nothing.
    environ |= {**clocks.environ, "SSL_CERT_FILE": str(authority.ca_file), "DEBUG": "sdk"}
    service = Upstream(sts(issuer, OIDC, token), tls=authority.server())
    with Upstream(api) as upstream, service:
        endpoint = service.url.removeprefix("https://")
        text = watching(upstream.url, kind="oidc_role_arn", sts_endpoint=endpoint, **ram)
        with exporter(text, tmp_path, environ=environ) as process:
            pages = [patient(process)]
            token.write_text("TheOidcTokenOfThisPod-2")
            for minutes in (39, 41):
                api.ahead = issuer.ahead = minutes * 60.0
                clocks.jump(f"+{minutes}m", process)
                pages.append(patient(process))
            # The old key is still good: no call waits for the new one.
            eventually(lambda: patient(process).up("job") == 1 and api.seen[-1] == 2, "a new key")

    assert [page.up("job") for page in pages] == [1, 1, 1]
    assert api.seen[:3] == [1, 1, 1]
    assert api.refused == 0
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("name", "is_overruled"),
    [
        ("SSL_CERT_FILE", False),
        ("SSL_CERT_FILE", True),
        ("REQUESTS_CA_BUNDLE", False),
        ("REQUESTS_CA_BUNDLE", True),
        ("api.ca_file", False),
    ],
)
def test_authorities(tmp_path: Path, name: str, *, is_overruled: bool) -> None:
    """Whom STS is trusted by is the API's rule: the file of the configuration goes first."""
    authority, issuer, token = Authority(tmp_path), Issuer(), tmp_path / "token"
    token.write_text("TheOidcTokenOfThisPod")
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    ca_file = authority.ca_file if name == "api.ca_file" else other.ca_file
    api: dict[str, object] = {"request_timeout": f"{PATIENT:.0f}s"}
    if is_overruled or name == "api.ca_file":
        api["ca_file"] = str(ca_file)
    environ = {} if name == "api.ca_file" else {name: str(authority.ca_file)}
    service = Upstream(sts(issuer, OIDC, token), tls=authority.server())
    with Upstream(Api()) as upstream, service:
        ram = {"sts_endpoint": service.url.removeprefix("https://"), **in_configuration(token)}
        text = configuration(
            target("t", upstream.url, ["job"]),
            credentials={"provider": "ram", "ram": {"kind": "oidc_role_arn", **ram}},
            api=api,
        )
        with exporter(text, tmp_path, environ=environ) as process:
            page = patient(process)
            line = "" if page.up("job") else process.wait_for_log("no new role key")

    assert (page.up("job") == 1) is not is_overruled
    assert ("its TLS certificate is not trusted" in line) is is_overruled


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """A network where the metadata service may be."""
    with Network(METADATA) as made:
        yield made


def instance(
    network: Network, script: Script, folder: Path, environ: Mapping[str, str], **ram: object
) -> tuple[Scrape, list[tuple[str, str]], list[int]]:
    """Scrape an exporter on an instance once.

    Returns:
        the page, method and path of what the metadata service saw, the API's keys.
    """
    api = Api()
    upstream = network.run(lambda: Upstream(api))
    service = network.run(lambda: Upstream(script, host=METADATA, port=80))
    with upstream, service:
        text = watching(upstream.url, **ram)
        with exporter(text, folder, environ=environ, prefix=network.prefix) as process:
            page = network.run(lambda: patient(process))
    return page, [(asked.method, asked.target) for asked in service.requests], api.seen


@needs_root
@pytest.mark.parametrize("kind", ["ecs_ram_role", "default"])
def test_role_of_an_instance(tmp_path: Path, network: Network, kind: str) -> None:
    """The metadata service gives the key of the instance's role; no proxy is asked for it."""
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}

    page, _, keys = instance(network, metadata(Issuer()), tmp_path, proxy, kind=kind)

    assert page.up("job") == 1
    assert keys == [1]


@needs_root
@pytest.mark.parametrize("kind", ["ecs_ram_role", "default"])
def test_no_first_version_of_the_metadata_service(
    tmp_path: Path, network: Network, kind: str
) -> None:
    """Without a metadata token nothing is asked: the old protocol serves whoever can forge."""
    page, asked, keys = instance(network, only_the_first_version, tmp_path, {}, kind=kind)

    assert page.errors() == {("t", "credentials"): 1}
    assert {path for _, path in asked} == {"/latest/api/token"}
    assert keys == []


def only_the_first_version(asked: Request) -> Behaviour:
    """Know of no metadata token, and give a key to who comes without one."""
    if asked.method == "PUT":
        return send(message(status=404))
    brings = (*asked.header_lines, ("x-aliyun-ecs-metadata-token", METADATA_TOKEN))
    return metadata(Issuer())(replace(asked, header_lines=brings))


@needs_root
def test_the_first_version_where_it_is_asked_for(tmp_path: Path, network: Network) -> None:
    """The vendor's own variable allows the old protocol."""
    allowed = {"ALIBABA_CLOUD_IMDSV1_DISABLED": "false"}

    page, _, _ = instance(
        network, only_the_first_version, tmp_path, allowed, kind="ecs_ram_role", role_name=ROLE
    )

    assert page.up("job") == 1


@needs_root
def test_nothing_anywhere(tmp_path: Path, network: Network) -> None:
    """Where there is no key at all, the log says of each way that it led nowhere."""
    with network.run(lambda: Upstream(Api())) as upstream:
        text = watching(upstream.url)
        home = {"HOME": str(tmp_path)}
        with exporter(text, tmp_path, environ=home, prefix=network.prefix) as process:
            page = network.run(lambda: patient(process))
            line = process.wait_for_log("no new role key")

    assert page.errors() == {("t", "credentials"): 1}
    assert "none of the vendor's default ways gave a key" in line
    assert "EcsRamRole (no connection" in line


@pytest.mark.parametrize("given", ["configuration", "environment"])
def test_profile(tmp_path: Path, given: str) -> None:
    """A profile's key is taken, of the named profile; after a change of the file the new one."""
    key_id, secret = KEY.values()
    profile = tmp_path / "profiles.ini"
    ways = {
        "configuration": ({"profile_file": str(profile), "profile": "exporter"}, {}),
        "environment": (
            {},
            {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(profile), "ALIBABA_CLOUD_PROFILE": "exporter"},
        ),
    }
    profile.write_text(
        f"[exporter]\ntype=access_key\naccess_key_id={key_id}\naccess_key_secret={secret}\n"
    )
    ram, environ = ways[given]
    with simulator(JOBS, tmp_path) as api:
        provider = {"provider": "ram", "ram": {"kind": "profile", **ram}}
        text = api.configuration(f"credentials: {provider}\napi: {{request_timeout: 20s}}\n")
        with exporter(text, tmp_path, environ=environ) as process:
            page = patient(process)

    assert page.up("job") == 1


@pytest.mark.parametrize("given", ["configuration", "environment"])
def test_credentials_uri(tmp_path: Path, given: str) -> None:
    """Whatever gives out keys at a URI is asked for one."""
    api, issuer = Api(), Issuer()
    with Upstream(api) as upstream, Upstream(credentials_uri(issuer)) as service:
        uri = f"{service.url}/keys?who=exporter"
        ram = {"uri": uri} if given == "configuration" else {}
        environ = {} if given == "configuration" else {"ALIBABA_CLOUD_CREDENTIALS_URI": uri}
        text = watching(upstream.url, kind="credentials_uri", **ram)
        with exporter(text, tmp_path, environ=environ) as process:
            page = patient(process)

    assert page.up("job") == 1
    assert api.seen == [1]
    assert [asked.target for asked in service.requests] == ["/keys?who=exporter"]


def test_reload(tmp_path: Path) -> None:
    """A reload keeps the key, unless it changes where keys come from."""
    api, issuer = Api(), Issuer()
    with Upstream(api) as upstream, Upstream(credentials_uri(issuer)) as service:
        text = watching(upstream.url, kind="credentials_uri", uri=service.url)
        with exporter(text, tmp_path, "--web.enable-lifecycle", environ={}) as process:
            patient(process)
            for new in (text.replace('"connect_timeout": "1s"', '"connect_timeout": "2s"'),
                        text.replace(service.url, f"{service.url}/other")):  # fmt: skip
                (tmp_path / "config.yaml").write_text(new)
                assert post(f"{process.url}/-/reload")[0] == 200
                patient(process)

    assert api.seen == [1, 1, 2]
    assert [asked.target for asked in service.requests] == ["/", "/other"]


def test_live_check(tmp_path: Path) -> None:
    """A live check waits for the key, and says at the place of the section why there is none."""
    switch = Switch(credentials_uri(Issuer()))
    with Upstream(Api()) as upstream, Upstream(switch) as service:
        text = watching(upstream.url, kind="credentials_uri", uri=service.url)
        (tmp_path / "config.yaml").write_text(text)
        good = run("check-config", "--live", environ={}, cwd=tmp_path)
        switch.script = lambda _: sts_refusal("CAISRoleTokenNumber")
        bad = run("check-config", "--live", environ={}, cwd=tmp_path)

    assert good.returncode == 0, good.stderr
    assert bad.returncode == 1
    (line,) = [line for line in bad.stderr.splitlines() if "gave no key" in line]
    assert re.match(r"config.yaml:\d+:\d+: credentials: ", line)
    assert "HTTP 400, AuthenticationFail.NoPermission: check credentials.ram" in line
    assert_absent(SECRETS, bad.stdout + bad.stderr, "what is printed")


@pytest.mark.parametrize("provider", ["environment", "ram"])
def test_the_package_is_not_imported(tmp_path: Path, provider: str) -> None:
    """The exporter itself never imports the vendor's package, with role credentials or without."""
    tell = {**KEY, "PYTHONPROFILEIMPORTTIME": "1"}
    with Upstream(Api()) as upstream, Upstream(credentials_uri(Issuer())) as service:
        ram = {"kind": "credentials_uri", "uri": service.url} if provider == "ram" else {}
        text = configuration(
            target("t", upstream.url, ["job"]), credentials={"provider": provider, "ram": ram}
        )
        with exporter(text, tmp_path, environ=tell) as process:
            scrape(process, PATIENT)

    imported = "\n".join(process.log)
    assert "exporter.gpdb.client" in imported
    assert "alibabacloud" not in imported
    assert "aiohttp" not in imported


def test_the_extra_is_not_installed(tmp_path: Path) -> None:
    """Without the package one line says where that is asked for, and what to install."""
    here = tmp_path / "packages"
    here.mkdir()
    for each in Path(site.getsitepackages()[0]).iterdir():
        if not each.name.startswith("alibabacloud_credentials"):
            (here / each.name).symlink_to(each)
    text = watching("http://127.0.0.1:9")
    (tmp_path / "config.yaml").write_text(text.replace("pw-of-rag", "${PASSWORD}"))
    root = Path(__file__).parents[2]

    done = subprocess.run(
        [sys.executable, "-S", *command("check-config")[1:]],
        env={"PYTHONPATH": f"{root}:{here}", "PASSWORD": "x"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("config.yaml:")
    assert done.stderr.endswith(
        "credentials.provider: ram needs the package alibabacloud-credentials: "
        "pip install alibabacloud-credentials, where the exporter is installed\n"
    )


def test_the_secrets_are_looked_for() -> None:
    """What these tests look for in outputs is what all keys of a role begin with."""
    key = role_key(1)

    assert key.secret.reveal().startswith(SECRETS[0])
    assert key.security_token is not None
    assert key.security_token.reveal().startswith(SECRETS[1])
