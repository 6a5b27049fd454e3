"""A simulated API that knows the target of the examples' configurations."""

from tests.processes import ACCESS_KEYS

SCENARIO = (
    ACCESS_KEYS
    + """\
namespaces:
  - name: rag-prod
    region_id: cn-hangzhou
    db_instance_id: gp-bp1xxxxxxxxx
    namespace: rag
    password: pw-of-rag-namespace
jobs:
  - {id: 231460f8-75dc-405e-a669-0c5204887e91, collection: document, namespace: rag-prod, created: -1m}
  - {id: announced, collection: document, namespace: rag-prod, created: -1m}
"""  # noqa: E501  a flow mapping is one line
)


def with_endpoint(configuration: str, url: str) -> str:
    """Return a configuration whose one target is asked about at a URL."""
    assert configuration.count("region_id: cn-hangzhou") == 1
    return configuration.replace(
        "region_id: cn-hangzhou", f"region_id: cn-hangzhou\n{_indent(configuration)}endpoint: {url}"
    )


def _indent(configuration: str) -> str:
    (line,) = (line for line in configuration.splitlines() if "region_id:" in line)
    return line[: line.index("region_id:")]
