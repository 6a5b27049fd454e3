"""Files of secrets that are changed while the exporter runs, in the ways that they are changed."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.faults.bench import well
from tests.faults.raw import configuration
from tests.processes import exporter, scrape
from tests.upstream import Request, Upstream

NO_INTERVAL = "scrape: {min_interval: 0s}\n"


def overwrite(file: Path, text: str) -> None:
    """As an editor or ``echo`` does."""
    file.write_text(text)


def replace(file: Path, text: str) -> None:
    """As tools do that never leave a file half-written."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text)
    fresh.rename(file)


def swap(file: Path, text: str) -> None:
    """As the kubelet does with a mounted Secret: the folder that the file is in is swapped."""
    data = file.parent / "..data"
    version = Path(tempfile.mkdtemp(prefix="..v", dir=file.parent))
    for each in data.iterdir() if data.exists() else []:
        (version / each.name).write_text(each.read_text())
    (version / file.name).write_text(text)
    fresh = file.parent / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.rename(data)
    if not file.is_symlink():
        file.symlink_to(f"..data/{file.name}")


HOW: dict[str, Callable[[Path, str], None]] = {
    "overwritten": overwrite,
    "replaced": replace,
    "swapped": swap,
}


def password(request: Request) -> str:
    """Return the namespace password that a call brought."""
    return parse_qs(request.body.decode())["NamespacePassword"][0]


def key_id(request: Request) -> str:
    """Return the id of the access key that signed a call."""
    found = re.search("Credential=([^,]*)", request.headers["authorization"])
    assert found is not None
    return found[1]


@pytest.mark.parametrize("how", HOW)
def test_a_rotated_namespace_password(tmp_path: Path, how: str) -> None:
    """Fault 39: a rotated namespace password is in the next call; without its file the job is down.

    With the next file it is up again, and all with no restart.
    """
    (tmp_path / "secrets").mkdir()
    file = tmp_path / "secrets/rag"
    with Upstream(well) as api:
        HOW[how](file, "password-1\n")
        text = configuration("job", api=api.url, extra=NO_INTERVAL)
        text = text.replace("password: planted-in-line", f"password_file: {file}")
        with exporter(text, tmp_path) as it:
            scrape(it)
            HOW[how](file, "password-2\n")
            scrape(it)
            file.unlink()
            without = scrape(it)
            HOW[how](file, "password-3\n")
            after = scrape(it)

        assert [password(each) for each in api.requests] == [f"password-{n}" for n in (1, 2, 3)]
        assert without.value("adbpg_job_up", job_id="job") == 0
        assert without.value("adbpg_exporter_api_errors_total", reason="credentials") == 1
        assert after.value("adbpg_job_up", job_id="job") == 1


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("token", [False, True], ids=["lasting", "temporary"])
def test_a_rotated_access_key(tmp_path: Path, how: str, *, token: bool) -> None:
    """Fault 39: an access key whose files are rotated signs the next call, with no restart."""
    (tmp_path / "secrets").mkdir()
    names = ["access_key_id", "access_key_secret", *(["security_token"] if token else [])]
    files = {name: tmp_path / "secrets" / name for name in names}
    keys = "".join(f"  {name}_file: {file}\n" for name, file in files.items())
    settings = f"{NO_INTERVAL}credentials:\n  provider: files\n{keys}"

    def rotate(number: int) -> None:
        for name, file in files.items():
            HOW[how](file, f"{name}-{number}\n")

    with Upstream(well) as api:
        rotate(1)
        with exporter(configuration("job", api=api.url, extra=settings), tmp_path) as it:
            for number in (2, 3, 4):
                scrape(it)
                rotate(number)
            page = scrape(it)

        ids = [key_id(each) for each in api.requests]
        assert ids == [f"access_key_id-{n}" for n in range(1, 5)]
        tokens = [each.headers.get("x-acs-security-token") for each in api.requests]
        assert tokens == [f"security_token-{n}" if token else None for n in range(1, 5)]
        assert page.value("adbpg_job_up", job_id="job") == 1
