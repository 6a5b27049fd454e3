"""All scenarios."""

from tests.alerts import changed_rules, exporter_alerts, job_alerts, job_lives, kinds

SCENARIOS = (
    *job_alerts.SCENARIOS,
    *job_lives.SCENARIOS,
    *kinds.SCENARIOS,
    *exporter_alerts.SCENARIOS,
    *changed_rules.SCENARIOS,
)
