"""No file of ours looks like a secret: whoever searches the repository for some finds none."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# As the rules of gitleaks and trufflehog have them, or a little stricter.
LOOKS_SECRET = {
    "a private key": r"-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----",
    "the id of an access key": r"\bLTAI[A-Za-z0-9]{17,}\b",
    "the secret of an access key": r"(?i)alibaba[\w. -]{0,40}[\"']?\s*[:=]\s*[\"']?[a-z0-9]{30}\b",
    "a key of AWS": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{14,}\.eyJ[A-Za-z0-9_-]{14,}\.",
}


def sources() -> list[Path]:
    """Return the files that are committed, or would be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [path for name in filter(None, listed.split("\0")) if (path := ROOT / name).is_file()]


def test_nothing_looks_like_a_secret() -> None:
    """Keys are made when a test runs; made-up ids and secrets are visibly made up."""
    found = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in sources()
        for text in [path.read_bytes().decode("utf-8", "replace")]
        for what, pattern in LOOKS_SECRET.items()
        if re.search(pattern, text)
    ]

    assert found == []
