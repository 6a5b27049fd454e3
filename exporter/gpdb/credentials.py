"""Where the access key comes from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.errors import NoCredentials
from exporter.secret import Secret, SecretFile, Watched

ID_VARIABLE = "ALIBABA_CLOUD_ACCESS_KEY_ID"
SECRET_VARIABLE = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105  a variable's name
TOKEN_VARIABLE = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105  a variable's name


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What a request is signed with.

    Attributes:
        id: the AccessKey ID; it stands in each request in plain.
        secret: the key of the signature.
        security_token: of a temporary (STS) key; None for a lasting one.
    """

    id: str
    secret: Secret
    security_token: Secret | None = None


class Credentials(ABC):
    """Gives the access key to use for the next call."""

    @abstractmethod
    def current(self) -> AccessKey:
        """Return the key that there is now. Waits for nothing but a file: see ``files``.

        Raises:
            NoCredentials: there is no usable one.
        """

    @abstractmethod
    def secrets(self) -> tuple[Watched, ...]:
        """Return what of it must never be shown."""

    def awaited(self, _seconds: float, /) -> AccessKey:
        """Return the key, waiting at most so long where one is being asked for.

        Raises:
            NoCredentials: there is no usable one.
        """
        return self.current()

    def renewed(self, _refused: AccessKey, _seconds: float, /) -> AccessKey | None:
        """Return another key than the one that the API says has ended; None if there is none."""
        return None


class EnvironmentCredentials(Credentials):
    """The key in the variables that all tools of Alibaba Cloud read. Read once, at start."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._values = {
            name: Secret(environ.get(name, "").strip())
            for name in (ID_VARIABLE, SECRET_VARIABLE, TOKEN_VARIABLE)
        }

    def current(self) -> AccessKey:
        """See ``Credentials``."""
        for variable in (ID_VARIABLE, SECRET_VARIABLE):
            if not self._values[variable].reveal():
                raise NoCredentials(f"the environment variable {variable} is not set")
        key_id, secret, token = (
            usable(value.reveal(), f"the environment variable {variable}")
            for variable, value in self._values.items()
        )
        return AccessKey(key_id, Secret(secret), Secret(token) if token else None)

    def secrets(self) -> tuple[Watched, ...]:
        """See ``Credentials``."""
        return (self._values[SECRET_VARIABLE], self._values[TOKEN_VARIABLE])


class FileCredentials(Credentials):
    """The key in one file a value, read again when a file changes (a rotated secret)."""

    def __init__(self, key_id: SecretFile, secret: SecretFile, token: SecretFile | None) -> None:
        self._key_id = key_id
        self._secret = secret
        self._token = token

    def current(self) -> AccessKey:
        """See ``Credentials``."""
        return AccessKey(
            id=_in_file(self._key_id),
            secret=Secret(_in_file(self._secret)),
            security_token=Secret(_in_file(self._token)) if self._token else None,
        )

    def secrets(self) -> tuple[Watched, ...]:
        """See ``Credentials``."""
        return (self._secret, self._token) if self._token else (self._secret,)


def _in_file(file: SecretFile) -> str:
    place = f"secret file {file.path}"
    value = file.reveal().strip()
    if not value:
        raise NoCredentials(f"{place}: it holds nothing but white space")
    return usable(value, place)


def usable(value: str, place: str) -> str:
    """Return a value that a header can carry: http.client's refusal would quote it."""
    if not (value.isascii() and value.isprintable()):
        raise NoCredentials(f"{place}: expected one line of ASCII characters")
    return value
