"""Which role may call which operation, as reviewed in tests/e2e/matrix.tsv.

`python -m tests.e2e.api.matrix` writes the file anew from the roles and the routes. Read the difference before you
commit it: the file is what was agreed, and a test holds the server to it.
"""

import csv
import sys
from pathlib import Path

from infra.authz.reviewed import reviewed, role_id
from tests.e2e.api.company import ROLES
from tests.e2e.api.operations import guarded

FILE = Path(__file__).parents[1] / "matrix.tsv"
COLUMNS = ("role", "operation", "allowed")
_WORDS = {True: "yes", False: "no"}

type Matrix = dict[tuple[str, str], bool]


def agreed() -> Matrix:
    """The file: whether a role may call an operation."""
    with FILE.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    words = {word: allowed for allowed, word in _WORDS.items()}
    return {(row["role"], row["operation"]): words[row["allowed"]] for row in rows}


def computed() -> Matrix:
    """What the default roles and the declared permissions come to."""
    held = {role: _held(role_id(role)) for role in ROLES}
    return {
        (role, operation.id): held[role] >= set(operation.permissions or ())
        for role in ROLES
        for operation in sorted(guarded(), key=lambda o: o.id)
    }


def _held(role: str) -> set[str]:
    """What the policy file gives a role, by itself and through the roles that it has too."""
    policy = reviewed()
    own = {line[2] for line in policy.permits if line[0] == role}
    return own.union(*(_held(line[1]) for line in policy.inherits if line[0] == role))


def main() -> None:
    with FILE.open("w", newline="") as lines:
        writer = csv.writer(lines, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((*cell, _WORDS[allowed]) for cell, allowed in computed().items())
    sys.stdout.write(f"{FILE}: {len(computed())} cells\n")


if __name__ == "__main__":
    main()
