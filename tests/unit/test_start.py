import subprocess
import sys

NEEDLESS = (
    "asyncio",
    "bcrypt",
    "exporter.cli.inspect",
    "exporter.cli.simulated",
    "exporter.check",
    "exporter.simulator",
    "exporter.web.page",  # needed from the first view on
    "jinja2",
    "requests",  # needed from the first query on
    "unittest",
    "urllib3",
)


def test_a_start_imports_nothing_that_serving_does_not_need() -> None:
    """Each module costs memory and time, and most of these are of other commands."""
    code = "import sys, exporter.cli.main; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    imported = set(found.stdout.split())
    assert "exporter.cli.serve" in imported
    assert not imported & set(NEEDLESS)
