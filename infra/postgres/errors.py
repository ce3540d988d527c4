"""What can go wrong with the database server, each as one sentence for the person at the terminal."""

from pathlib import Path


class DatabaseTrouble(OSError):  # noqa: N818 - it is read by people, as a sentence
    """The database cannot be used now; `str()` of it is a sentence that says why and what to do.

    An OSError, as a taken port and a full disk are: what is wrong is the machine or its set-up, not the program.
    """


# PostgreSQL's own words (we start it with LC_ALL=C) and what they mean to somebody who did not install it.
_MEANINGS = (
    ("No space left on device", "the disk that holds {home} is full: free some space and start again"),
    ("Disk quota exceeded", "the disk quota for {home} is used up: free some space and start again"),
    (
        "Address already in use",
        "port {port} on 127.0.0.1 is already in use by another program: stop it and start again",
    ),
    (
        "database files are incompatible with server",
        "the data folder in {home} was made by another version of PostgreSQL than the one found",
    ),
    (
        "is still in use",
        "processes of an earlier server still use the data folder in {home}: wait a moment and start again",
    ),
    ("Cannot allocate memory", "there is not enough free memory for the database server"),
    (
        "could not create shared memory segment",
        "the system refuses the database server its shared memory",
    ),
    ("Read-only file system", "{home} is on a read-only file system: set STOREKEEPER_DATA to another folder"),
    (
        "Permission denied",
        "the database server may not enter {home}: check its owner, or set STOREKEEPER_DATA to another folder",
    ),
)

_PORT_TAKEN = "Address already in use"


def explain(words: str, *, home: Path, port: int | None, log: Path | None = None) -> str:
    """One sentence for what PostgreSQL wrote while it failed."""
    for pattern, meaning in _MEANINGS:
        if pattern in words:
            return f"PostgreSQL did not start: {meaning.format(home=home, port=port)}."
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    grave = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    last = (grave or lines or ["it said nothing"])[-1]
    where = f" ({log} has the rest)" if log else ""
    return f"PostgreSQL did not start: {last}{where}."


def is_port_taken(words: str) -> bool:
    return _PORT_TAKEN in words
