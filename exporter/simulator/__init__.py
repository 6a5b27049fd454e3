"""A simulated gpdb API: signatures checked, jobs and faults out of a scenario file.

It stands in for the cloud in the demo, in the tests and in the benchmarks. One answer is made so::

    server     sockets, HTTP/1.1       bytes -> Request,  Reply -> bytes after its latency
    service    one call                what is remembered: nonces, calls of this second, counts
    verify     pure                    Request -> who signed it, or why it is refused
    parameters pure                    Request -> which job is queried, or why it is refused
    timeline   pure                    a job, the seconds since the start -> its state
    answers    pure                    bodies, as the vendor's page spells them

``scenario`` holds the records and ``scenario_file`` reads them. ``configuration`` makes the
configuration of an exporter from them. ``command`` and ``demo`` are what the CLI starts.
"""
