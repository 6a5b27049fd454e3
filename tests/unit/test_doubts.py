"""What is warned of because it was hardly meant."""

from pathlib import Path

import pytest

from exporter.cli.loading import doubts_about_key, load_config
from exporter.config.doubts import REGIONS, doubt_about_region, is_placeholder
from exporter.gpdb.endpoints import _CENTRAL_REGIONS
from tests.processes import KEY


def warnings(
    folder: Path,
    environ: dict[str, str],
    region: str = "cn-hangzhou",
    instance: str = "gp-bp1test",
    credentials: str = "",
) -> list[str]:
    """Return the warnings about a configuration that is good but for these."""
    (folder / "password").write_text("pw")
    path = folder / "config.yaml"
    path.write_text(
        f"{credentials}targets:\n  - name: main\n    region_id: {region}\n"
        f"    db_instance_id: '{instance}'\n    namespace_password_file: password\n"
        "    jobs: [{id: one, collection: c}]\n"
    )
    loaded = load_config(str(path), environ)
    found = (*loaded.warnings, *doubts_about_key(loaded, environ))
    return [str(warning).replace(f"{folder}/", "") for warning in found]


def test_nothing_is_doubted_of_a_good_configuration(tmp_path: Path) -> None:
    """A key, a known region, an instance: no warning."""
    assert warnings(tmp_path, KEY) == []


@pytest.mark.parametrize("missing", KEY)
def test_no_access_key(tmp_path: Path, missing: str) -> None:
    """Without the key in the environment nothing can be asked, which is told before the start."""
    environ = {name: value for name, value in KEY.items() if name != missing}

    (line,) = warnings(tmp_path, environ)

    assert line == (
        f"access key: the environment variable {missing} is not set: "
        "no job can be queried without it"
    )


@pytest.mark.parametrize("name", KEY)
@pytest.mark.parametrize("value", ["…", "...", "LTAI5txxxxxxxxx", "<your key>", "YOUR_KEY"])
def test_the_key_of_an_example(tmp_path: Path, name: str, value: str) -> None:
    """A key that was copied from a document is told, and not repeated."""
    (line,) = warnings(tmp_path, {**KEY, name: value})

    assert line.startswith("access key: ")
    assert value not in line.replace("access key: ", "")


def test_the_key_of_an_example_in_files(tmp_path: Path) -> None:
    """Keys in files are looked at likewise."""
    (tmp_path / "id").write_text("LTAI5txxxxxxxxxxxx\n")
    (tmp_path / "secret").write_text("a-secret\n")
    files = "access_key_id_file: id, access_key_secret_file: secret"

    found = warnings(tmp_path, {}, credentials=f"credentials: {{provider: files, {files}}}\n")

    assert found == ["access key: the value of an example: put your own in its place"]


def test_a_region_that_was_misspelt(tmp_path: Path) -> None:
    """A region that nobody knows is taken, with its place and what was probably meant."""
    (line,) = warnings(tmp_path, KEY, region="cn-hangzou")

    assert line == (
        "config.yaml:3:5: targets[0].region_id: no region of this name is known here: "
        "did you mean cn-hangzhou?"
    )


def test_a_region_that_is_new(tmp_path: Path) -> None:
    """A region like no other is taken, too."""
    (line,) = warnings(tmp_path, KEY, region="moon-1")

    assert line.endswith("no region of this name is known here: check it, unless it is a new one")


def test_every_region_with_a_host_of_its_own_is_known() -> None:
    """The exceptions among the hosts are regions."""
    assert _CENTRAL_REGIONS <= REGIONS
    assert not [region for region in REGIONS if doubt_about_region(region)]


@pytest.mark.parametrize("instance", ["gp-bp1xxxxxxxxx", "gp-xxxxxxxxx", "<instance>", "gp-…"])
def test_the_instance_of_an_example(tmp_path: Path, instance: str) -> None:
    """An instance that was copied from a document is told, with its place."""
    (line,) = warnings(tmp_path, KEY, instance=instance)

    assert line == (
        f"config.yaml:4:5: targets[0].db_instance_id: '{instance}' is the value of an example: "
        "put your own in its place"
    )


@pytest.mark.parametrize(
    "value",
    [
        "gp-bp152460513z****",
        "gp-bp1xxxx4a",
        "231460f8-75dc-405e-a669-0c5204887e91",
        "xxx",
        "",
        "you",
    ],
)
def test_what_is_no_placeholder(value: str) -> None:
    """Values that somebody may have are not doubted, but for the stars of the vendor's pages."""
    assert is_placeholder(value) is value.endswith("****")
