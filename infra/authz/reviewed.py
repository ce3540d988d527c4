"""The default roles, out of the reviewed file in `policies/`; a file that is not clean is not used at all."""

import csv
import re
from importlib.resources import files
from pathlib import Path

import msgspec

from domain.access.rules import is_role_code, known_permission

EVERYWHERE = "*"
_ROLE_ID = re.compile(r"role:(?P<code>[^:]*)")
_FIELDS = {"p": 4, "g": 3}

type Line = tuple[str, ...]


class PolicyError(ValueError):
    """The policy files are wrong; the application must not start with them."""


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that hold in every tenant."""

    model: Path
    permits: tuple[Line, ...]
    """(role, tenants, permission), as the model's `p`."""
    inherits: tuple[Line, ...]
    """(role, the role whose rules it has too), as the model's `g`."""

    @property
    def roles(self) -> frozenset[str]:
        """The codes of the default roles, which no tenant's own role may take."""
        return frozenset(role_code(line[0]) for line in (*self.permits, *self.inherits))


def role_id(code: str) -> str:
    """A role as the policy knows it; the prefix keeps it apart from anything else that could be asked about."""
    return f"role:{code}"


def role_code(identifier: str) -> str:
    return identifier.removeprefix("role:")


def reviewed(folder: Path | None = None) -> Reviewed:
    """Read the policy files.

    Raises:
        PolicyError: there are no rules, or one is not what it should be.
    """
    where = folder or Path(str(files("policies")))
    found: dict[str, list[Line]] = {"p": [], "g": []}
    try:
        with (where / "roles.csv").open(encoding="utf-8", newline="") as file:
            for number, line in enumerate(csv.reader(file, skipinitialspace=True, strict=True), start=1):
                if line and not line[0].startswith("#"):
                    kind, rule = _checked(number, line)
                    found[kind].append(rule)
    except (OSError, csv.Error, UnicodeDecodeError) as problem:
        raise PolicyError(f"roles.csv cannot be read: {problem}") from problem
    policy = Reviewed(model=where / "model.conf", permits=tuple(found["p"]), inherits=tuple(found["g"]))
    if not policy.permits:
        raise PolicyError("roles.csv permits nobody anything")
    if not policy.model.is_file():
        raise PolicyError(f"There is no {policy.model}")
    for kind, rules in found.items():
        if len(set(rules)) < len(rules):
            raise PolicyError(f"roles.csv has the same {kind} rule twice")
    if strangers := {line[1] for line in policy.inherits} - {line[0] for line in policy.permits}:
        raise PolicyError(f"roles.csv inherits from roles without rules: {', '.join(sorted(strangers))}")
    return policy


def _checked(number: int, line: list[str]) -> tuple[str, Line]:
    kind, *rest = (field.strip() for field in line)
    if len(line) != _FIELDS.get(kind):
        raise PolicyError(f"roles.csv, line {number}: {', '.join(line)} is no rule")
    roles = rest if kind == "g" else rest[:1]
    for role in roles:
        named = _ROLE_ID.fullmatch(role)
        if named is None or not is_role_code(named["code"]):
            raise PolicyError(f"roles.csv, line {number}: {role!r} is not role:<code>")
    if kind == "p" and rest[1] != EVERYWHERE:
        raise PolicyError(f"roles.csv, line {number}: default roles hold in every tenant, so {EVERYWHERE}")
    if kind == "p" and known_permission(rest[2]) is None:
        raise PolicyError(f"roles.csv, line {number}: there is no permission {rest[2]!r}")
    return kind, tuple(rest)
