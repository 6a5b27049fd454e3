#!/bin/sh
# Start an upload, hand it over to the exporter, and end with the outcome of the job.
# START_UPLOAD is a program of yours that starts it and prints the job's id.
set -eu

job_id=$($START_UPLOAD)
adbpg-job-exporter announce --url="$EXPORTER_URL" --token-file="$EXPORTER_TOKEN_FILE" \
    --target=rag-prod --collection="$COLLECTION" --id="$job_id" --file=data.jsonl
exec adbpg-job-exporter wait "$job_id" --target=rag-prod --collection="$COLLECTION"
