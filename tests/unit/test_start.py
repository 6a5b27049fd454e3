import subprocess
import sys

NEEDLESS = ("asyncio", "bcrypt", "exporter.simulator", "exporter.cli.simulated", "unittest")


def test_a_start_imports_nothing_that_serving_does_not_need() -> None:
    """Neither the simulator nor asyncio are in the process that serves: memory and a slow start."""
    code = "import sys, exporter.cli.main; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    imported = set(found.stdout.split())
    assert "exporter.cli.serve" in imported
    assert not imported & set(NEEDLESS)
