"""Records in requests: JSON values into the same records as files give."""

from collections.abc import Sequence

from domain.imports.model import BadRecord, Record


def read_payload(payload: Sequence[object]) -> Sequence[Record | BadRecord]:
    """Decoded JSON values (numbers as int or Decimal, never float), judged one by one; rows count from 0.

    A value that is no object, a field that is missing, unknown or of another type makes a bad record, and no bad
    request.
    """
    raise NotImplementedError
