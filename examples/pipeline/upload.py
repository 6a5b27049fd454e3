#!/usr/bin/env python3
"""Upload vectors with the official SDK. The two marked lines let the exporter watch the job."""

import os
from typing import Any

from exporter.pipeline import watched  # the first line


def upload(client: Any, collection: str, file_url: str) -> str:
    """Start the upload of a file of vectors, and return the job's id.

    Args:
        client: of the SDK.
        collection: that takes the vectors.
        file_url: where the API fetches the file, such as a signed URL of OSS.
    """
    # The second line: from here on, each job that the client starts is announced.
    client = watched(
        client,
        url=os.environ["EXPORTER_URL"],
        target="rag-prod",
        token_file=os.environ["EXPORTER_TOKEN_FILE"],
    )
    from alibabacloud_gpdb20160503 import models  # noqa: PLC0415  the SDK takes its time to import

    request = models.UpsertCollectionDataAsyncRequest(
        region_id=os.environ["REGION_ID"],
        dbinstance_id=os.environ["DB_INSTANCE_ID"],
        namespace="rag",
        namespace_password=os.environ["RAG_PASSWORD"],
        collection=collection,
        file_url=file_url,
    )
    return str(client.upsert_collection_data_async(request).body.job_id)


def main_client() -> Any:
    """Return a client of the SDK with the access key of the environment."""
    from alibabacloud_gpdb20160503.client import Client  # noqa: PLC0415  as above
    from alibabacloud_tea_openapi.utils_models import Config  # noqa: PLC0415  as above

    config = Config(
        access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        region_id=os.environ["REGION_ID"],
    )
    return Client(config)


if __name__ == "__main__":
    print(upload(main_client(), os.environ["COLLECTION"], os.environ["FILE_URL"]))
