"""All scenarios."""

from tests.alerts import (
    changed_rules,
    collection_alerts,
    exporter_alerts,
    job_alerts,
    job_lives,
    kinds,
)

SCENARIOS = (
    *job_alerts.SCENARIOS,
    *job_lives.SCENARIOS,
    *kinds.SCENARIOS,
    *collection_alerts.SCENARIOS,
    *exporter_alerts.SCENARIOS,
    *changed_rules.SCENARIOS,
)
