"""What `helm test` runs in the exporter's image: whether it is ready, and shows its metrics."""

import ssl
import sys
import urllib.error
import urllib.request

TIMEOUT = 20.0  # seconds


def ask(url: str) -> tuple[int, str]:
    """Return status and text; 0 and the reason where there is no answer."""
    # Whether the certificate is a good one is for Prometheus to say; this asks whether it runs.
    tls = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT, context=tls) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def main(base: str) -> int:
    """Return 0 if the exporter is ready and has metrics, or asks for a password."""
    wanted = {"/-/ready": "Ready.", "/metrics?name[]=adbpg_exporter_build_info": "adbpg_exporter_"}
    failed = False
    for path, part in wanted.items():
        status, text = ask(base + path)
        good = status == 401 or (status == 200 and part in text)
        last = text.strip().rpartition("\n")[2]
        print(f"{base}{path}: {status} {last}")
        failed |= not good
    return int(failed)


sys.exit(main(sys.argv[1]))
