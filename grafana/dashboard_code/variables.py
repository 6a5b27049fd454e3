"""The variables at the top of the dashboards."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from grafana.dashboard_code import queries
from grafana.dashboard_code.panels import DATASOURCE

_LABELS = {
    "db_instance_id": "Instance",
    "collection_namespace": "Namespace",
    "collection": "Collection",
    "job_id": "Job id",
}


def datasource() -> dashboard.VariableModel:
    """Return the choice of the Prometheus server."""
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus").build()


def job() -> dashboard.VariableModel:
    """Return the choice of the job in Prometheus' configuration."""
    query = f"label_values({queries.known('adbpg_exporter_build_info')}, job)"
    return _many("job", "Job", query)


def instance() -> dashboard.VariableModel:
    """Return the choice of the exporter, where there are several."""
    query = f"label_values({queries.series('adbpg_exporter_build_info')}, instance)"
    return _many("instance", "Exporter", query)


def kind() -> dashboard.VariableModel:
    """Return the choice of the kinds of jobs."""
    query = f"label_values({queries.series('adbpg_job_info')}, kind)"
    return _many("kind", "Kind", query, every=".*")


def jobs(*, single: bool = False) -> list[dashboard.VariableModel]:
    """Return the choice of jobs; each variable offers what the ones before it leave.

    Args:
        single: of the job id; else there may be several.
    """
    made = []
    for position, label in enumerate(queries.JOB_VARIABLES):
        before = [f'{each}=~"${each}"' for each in queries.JOB_VARIABLES[:position]]
        query = f"label_values({queries.series('adbpg_job_info', *before)}, {label})"
        if single and label == "job_id":
            made.append(_one(label, query))
        else:
            # Not .+: targets that are workspaces have an empty db_instance_id.
            made.append(_many(label, _LABELS[label], query, every=".*"))
    return made


def collections() -> list[dashboard.VariableModel]:
    """Return the choice of collections and kinds, those without a job now included."""
    made = []
    for position, label in enumerate(queries.COLLECTION_VARIABLES):
        before = [f'{each}=~"${each}"' for each in queries.COLLECTION_VARIABLES[:position]]
        known = queries.series("adbpg_collection_jobs_finished_total", *before)
        made.append(_many(label, _LABELS[label], f"label_values({known}, {label})", every=".*"))
    known = queries.series("adbpg_collection_jobs_finished_total")
    return [*made, _many("kind", "Kind", f"label_values({known}, kind)", every=".*")]


def _query(name: str, label: str, query: str) -> builders.QueryVariable:
    asked = {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
    variable = builders.QueryVariable(name).label(label).query(dict[str, object](asked))
    variable.datasource(DATASOURCE).sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    return variable.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)


def _many(name: str, label: str, query: str, every: str = "") -> dashboard.VariableModel:
    """Return a variable of several values.

    Args:
        name: of the variable.
        label: for people.
        query: gives its values.
        every: the expression for All; empty for just the values that were found. So it is for
            Prometheus' jobs: process metrics of all other programs must not come in.
    """
    chosen = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    variable = _query(name, label, query).include_all(include_all=True).multi(multi=True)
    if every:
        variable.all_value(every)
    return variable.current(chosen).build()


def _one(name: str, query: str) -> dashboard.VariableModel:
    return _query(name, _LABELS[name], query).multi(multi=False).build()
