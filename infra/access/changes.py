"""What processes tell each other about access: somebody's rights, or a credential, are not what they were.

NOTIFY is used for this and for nothing that happens as often as postings: it takes a lock on the whole database.
"""

from enum import StrEnum
from typing import NamedTuple, Self
from uuid import UUID

CHANNEL = "storekeeper_access"


class Kind(StrEnum):
    """Of what a change tells."""

    TENANT = "tenant"
    USER = "user"
    SESSION = "session"
    KEY = "key"
    TOKEN = "token"  # noqa: S105 - a word


class Change(NamedTuple):
    """Forget what you know about this. Ids only: whoever listens learns no secret."""

    kind: Kind
    id: UUID

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def read(cls, payload: str) -> Self | None:
        """The change that a notification tells of; None if it cannot be read, so that all is to be forgotten."""
        kind, _, identifier = payload.partition(":")
        try:
            return cls(Kind(kind), UUID(identifier))
        except ValueError:
            return None
