"""The part of the configuration that says where the access key comes from. See ``settings``."""

import importlib.util
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from exporter.config import addresses, kinds
from exporter.config.reader import Section
from exporter.secret import Secret


class RamSettings(Section):
    """How the temporary key of a RAM role is got. Goes with `provider: ram`.

    What is not given here is looked for where all tools of Alibaba Cloud look: in the variables
    `ALIBABA_CLOUD_ROLE_ARN`, `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`, `ALIBABA_CLOUD_OIDC_TOKEN_FILE`,
    `ALIBABA_CLOUD_ECS_METADATA`, `ALIBABA_CLOUD_CREDENTIALS_FILE`, `ALIBABA_CLOUD_PROFILE` and
    `ALIBABA_CLOUD_CREDENTIALS_URI`. Which way to use when: [credentials.md](credentials.md).
    """

    kind: Annotated[
        Literal["default", "oidc_role_arn", "ecs_ram_role", "profile", "credentials_uri"],
        kinds.choice("default", "oidc_role_arn", "ecs_ram_role", "profile", "credentials_uri"),
        Field(description="The way. `default` tries them all, in the vendor's order."),
    ] = "default"
    role_arn: Annotated[
        str,
        kinds.text(),
        Field(description="The role to take on. Goes with `oidc_role_arn`, as do the next three."),
    ] = ""
    oidc_provider_arn: Annotated[
        str, kinds.text(), Field(description="The identity provider that RAM trusts.")
    ] = ""
    oidc_token_file: Annotated[
        str,
        addresses.secret_path(),
        Field(description="The file of the token that proves who we are."),
    ] = ""
    sts_endpoint: Annotated[
        str,
        addresses.host(),
        Field(description="The host of STS, such as `sts-vpc.cn-hangzhou.aliyuncs.com`."),
    ] = ""
    role_name: Annotated[
        str,
        kinds.text(),
        Field(
            description=(
                "The instance's role. Goes with `ecs_ram_role`; without it, the metadata names it."
            )
        ),
    ] = ""
    profile: Annotated[
        str, kinds.text(), Field(description="The profile's name. Goes with `profile`.")
    ] = ""
    profile_file: Annotated[
        str,
        addresses.secret_path(),
        Field(description="The file of profiles. Goes with `profile`."),
    ] = ""
    uri: Annotated[
        Secret | None,
        addresses.credentials_uri(),
        Field(
            description=(
                "Where a key is given out. Goes with `credentials_uri`. `http://` only to a "
                "loopback or link-local address."
            )
        ),
    ] = None
    key_timeout: Annotated[
        float,
        kinds.duration("1s", "1m"),
        Field(description="Total for getting one key, whatever the service does."),
    ] = 10.0

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        for key, kind in _KIND_OF.items():
            if getattr(self, key) and self.kind != kind:
                yield key, f"goes with kind: {kind}, but the kind is {self.kind}"


_KIND_OF: Final = {
    "role_arn": "oidc_role_arn",
    "oidc_provider_arn": "oidc_role_arn",
    "oidc_token_file": "oidc_role_arn",
    "sts_endpoint": "oidc_role_arn",
    "role_name": "ecs_ram_role",
    "profile": "profile",
    "profile_file": "profile",
    "uri": "credentials_uri",
}


class CredentialsSettings(Section):
    """Where the access key comes from.

    The provider `environment` reads `ALIBABA_CLOUD_ACCESS_KEY_ID`,
    `ALIBABA_CLOUD_ACCESS_KEY_SECRET` and, for a temporary key, `ALIBABA_CLOUD_SECURITY_TOKEN`.
    The provider `files` reads one file for each, and reads it again when it changes.
    The provider `ram` gets the temporary key of a RAM role, and a new one before it ends. It needs
    `pip install '.[ram]'`, in the folder of the source.
    """

    provider: Annotated[
        Literal["environment", "files", "ram"],
        kinds.choice("environment", "files", "ram"),
        Field(description="Which of the three."),
    ] = "environment"
    access_key_id_file: Annotated[
        str, addresses.secret_path(), Field(description="The access key's id; needed with `files`.")
    ] = ""
    access_key_secret_file: Annotated[
        str,
        addresses.secret_path(),
        Field(description="The access key's secret; needed with `files`."),
    ] = ""
    security_token_file: Annotated[
        str, addresses.secret_path(), Field(description="The token of a temporary key.")
    ] = ""
    ram: Annotated[
        RamSettings, Field(description="How, with `ram`: see [below](#credentialsram).")
    ] = RamSettings.model_construct()

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        files = {
            "access_key_id_file": self.access_key_id_file,
            "access_key_secret_file": self.access_key_secret_file,
            "security_token_file": self.security_token_file,
        }
        for key, path in files.items():
            if self.provider != "files" and path:
                yield key, f"goes with provider: files, but the provider is {self.provider}"
            elif self.provider == "files" and not path and key != "security_token_file":
                yield key, "missing: provider: files needs it"
        if self.provider != "ram" and self.ram != RamSettings.model_construct():
            yield "ram", f"goes with provider: ram, but the provider is {self.provider}"
        if self.provider == "ram" and not importlib.util.find_spec("alibabacloud_credentials"):
            install = "pip install alibabacloud-credentials, where the exporter is installed"
            yield "provider", f"ram needs the package alibabacloud-credentials: {install}"
