"""Which format a scraper gets, by the headers that scrapers send."""

import pytest

from exporter.formats import choose

TEXT = "text/plain; version=0.0.4; charset=utf-8"
TEXT_1 = "text/plain; version=1.0.0; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)
SCRAPERS = {
    "Prometheus 2.42": (
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
            "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ),
        OPENMETRICS,
    ),
    "Prometheus 2.42 with native histograms": (
        (
            f"{PROTOBUF},application/openmetrics-text;version=1.0.0;q=0.8,"
            "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ),
        OPENMETRICS,
    ),
    "Prometheus 3, Alloy": (
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
            "*/*;q=0.2"
        ),
        f"{OPENMETRICS}; escaping=allow-utf-8",
    ),
    "Prometheus 3 with native histograms": (
        (
            f"{PROTOBUF};q=0.6,"
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,"
            "*/*;q=0.1"
        ),
        f"{OPENMETRICS}; escaping=allow-utf-8",
    ),
    "Prometheus 3 with PrometheusText1.0.0 only": (
        "text/plain;version=1.0.0;escaping=underscores;q=0.2,*/*;q=0.1",
        f"{TEXT_1}; escaping=underscores",
    ),
    "Prometheus 3 with PrometheusProto only": (f"{PROTOBUF};q=0.2,*/*;q=0.1", TEXT),
    "vmagent": ("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT),
    "curl": ("*/*", TEXT),
    "a browser": ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
    "nothing": ("", TEXT),
}
HEADERS = {
    # What is not written is never said to be.
    "application/openmetrics-text;version=0.0.1": TEXT,
    "application/openmetrics-text;version=2.0.0": TEXT,
    "application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.1": (
        OPENMETRICS
    ),
    "text/plain;version=2.0.0": TEXT,
    PROTOBUF: TEXT,
    # Versions and names are compared as they are meant.
    "application/openmetrics-text": OPENMETRICS,
    "Application/OpenMetrics-Text; Version=1.0.0": OPENMETRICS,
    'application/openmetrics-text; version="1.0.0"; charset=utf-8': OPENMETRICS,
    "text/plain;version=0.0.4;escaping=allow-utf-8": TEXT,
    "text/plain;version=1.0.0": TEXT_1,
    "application/openmetrics-text;version=1.0.0;escaping=dots": f"{OPENMETRICS}; escaping=dots",
    "application/openmetrics-text;version=1.0.0;escaping=a\xe9": OPENMETRICS,
    "application/*": OPENMETRICS,
    "text/*": TEXT,
    "application/openmetrics-text,text/plain": TEXT,
    # The quality decides, wherever it stands.
    "application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=0.0.4;q=0.2": TEXT,
    "application/openmetrics-text;q=0.1;version=1.0.0,text/plain;q=0.2": TEXT,
    "application/openmetrics-text;q=0": TEXT,
    "application/openmetrics-text;q=0,*/*": TEXT,
    "application/openmetrics-text;version=1.0.0;q=0.000,text/plain;q=0.001": TEXT,
    "text/plain;q=0,*/*": OPENMETRICS,
    "text/*;q=0,*/*;q=0.1": OPENMETRICS,
    # The most specific range decides for a format.
    "*/*,text/plain;q=0.1": OPENMETRICS,
    "text/plain;version=0.0.4;q=0.1,text/plain;q=1": TEXT_1,
    "text/*;q=0.2,application/*;q=0.9,application/openmetrics-text;q=0.1": TEXT,
    "text/plain;q=0.5,text/plain;q=0": TEXT,
    # Nothing is acceptable, or nothing can be read: never a 406.
    "*/*;q=0": TEXT,
    "text/plain;q=0": TEXT,
    "image/png": TEXT,
    "garbage;;;,,q=": TEXT,
    "application/openmetrics-text;q=abc": TEXT,
    "application/openmetrics-text;q=2": TEXT,
    "application/openmetrics-text;version=" + "9" * 5_000: TEXT,
    "application/openmetrics-text;version=2.\xe9": TEXT,
}


@pytest.mark.parametrize("scraper", SCRAPERS)
def test_what_scrapers_get(scraper: str) -> None:
    """A scraper gets the best that it asks for of what is written here."""
    accept, content_type = SCRAPERS[scraper]

    assert choose(accept).content_type == content_type


@pytest.mark.parametrize("accept", HEADERS)
def test_what_a_header_means(accept: str) -> None:
    """Qualities, versions and wildcards count as RFC 9110 has it; text 0.0.4 is the last resort."""
    assert choose(accept).content_type == HEADERS[accept]


def test_the_content_type_says_what_the_body_is() -> None:
    """OpenMetrics is written exactly where it is announced."""
    for accept in [*HEADERS, *(accept for accept, _ in SCRAPERS.values())]:
        chosen = choose(accept)

        assert chosen.is_openmetrics == ("openmetrics" in chosen.content_type)
