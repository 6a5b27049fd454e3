"""Web configuration files for the tests, and the certificates that they name."""

from pathlib import Path

from tests.certificates import Authority, encrypted

DATA = Path(__file__).parent / "data" / "web"
PLANTED = ("planted", "7351902846")  # every secret in the sample files has one of these in it
BAD_FILES = sorted(path.name for path in DATA.glob("bad-*.yaml"))
# No file of ours looks like a key to those who search for secrets.
_PLACEHOLDERS = {"@BEGIN PRIVATE KEY@": f"-----BEGIN {'PRIVATE'} KEY-----"}
GOOD_FILES = sorted(path.name for path in DATA.glob("good-*.yaml"))


def lay_out(folder: Path) -> Authority:
    """Copy the sample files into a folder, and make the certificates that they name."""
    for sample in DATA.glob("*.yaml"):
        text = sample.read_text("utf-8")
        for placeholder, line in _PLACEHOLDERS.items():
            text = text.replace(placeholder, line)
        (folder / sample.name).write_text(text, "utf-8")
    authority = Authority(folder)
    _, key = authority.issue("server", "DNS:localhost,IP:127.0.0.1")
    authority.issue("other", "DNS:localhost")
    encrypted(key)
    return authority


def expected_lines(name: str) -> str:
    """Return the lines that a bad file gives, its folder left out."""
    return (DATA / name).with_suffix(".txt").read_text("utf-8")
