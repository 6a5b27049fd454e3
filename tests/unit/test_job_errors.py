import pytest

from exporter.gpdb.job_errors import classify
from exporter.model import ErrorClass


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", None),
        ("expected 1024 dimensions, not 768", "dimension_mismatch"),
        (
            "The dimension of the vector is 768, but the collection has 1024.",
            "dimension_mismatch",
        ),
        ("ERROR: out of memory\\nDETAIL: Failed on request of size 1024.", "out_of_memory"),
        ("Canceling query because of high VMEM usage.", "out_of_memory"),
        ('could not extend file "base/1/2": No space left on device', "disk_full"),
        ("cannot execute INSERT in a read-only transaction", "disk_full"),
        ('duplicate key value violates unique constraint "document_pkey"', "duplicate"),
        ("permission denied for table document", "permission"),
        ("canceling statement due to statement timeout", "timeout"),
        ("The connection to the embedding service timed out.", "timeout"),
        ("sorry, too many clients already", "quota"),
        ("Request was denied due to request throttling.", "quota"),
        ('invalid input syntax for type integer: "abc"', "bad_data"),
        ("Unexpected token } in JSON at position 10", "bad_data"),
        ('null value in column "id" violates not-null constraint', "bad_data"),
        ("value too long for type character varying(10)", "bad_data"),
        ('column "title" of relation "document" does not exist', "bad_data"),
        ("Failed to connect database.", "internal"),
        ("Internal Server Error", "internal"),
        ("server closed the connection unexpectedly", "internal"),
        ("\u4efb\u52a1\u5931\u8d25", "other"),
        ("x" * 2000, "other"),
    ],
)
def test_an_error_text_has_a_class(text: str, kind: str | None) -> None:
    """Each text is of one class of the closed set, and what fits none is `other`."""
    assert classify(text) == (kind and ErrorClass(kind))
