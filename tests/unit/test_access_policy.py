"""The default roles against a table that people have read, and the policy that Casbin makes of them."""

import importlib.metadata
import shutil
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import pytest

from domain.access.model import Permission
from domain.access.ports import Rule, TenantRules
from domain.access.rules import tenant_rules
from infra.authz.policy import CasbinPolicy
from infra.authz.reviewed import PolicyError, reviewed

# A change here is a change of what people may do: it needs the same change in policies/roles.csv.
ROLES = "viewer requester operator counter controller supervisor planner manager admin"
TABLE = """
    admin.apikeys                 . . . . . . . . x
    admin.settings                . . . . . . . . x
    admin.users                   . . . . . . . . x
    audit.read                    . . . . . . . x x
    channels.read                 x . x . x x x x x
    channels.write                . . . . . . x x x
    events.read                   x . x . x x x x x
    imports.write                 . . . . . . . x x
    integrations.inventory.read   x . x . x x x x x
    integrations.inventory.write  . . . . . . . x x
    integrations.locations.read   x . x . x x x x x
    integrations.locations.write  . . . . . . . x x
    integrations.products.read    x . x . x x x x x
    integrations.products.write   . . . . . . . x x
    inventory.adjust              . . . . x . . x x
    inventory.cyclecount          . . x x x . . x x
    inventory.cyclecount.approve  . . . . x x . x x
    inventory.read                x x x . x x x x x
    inventory.write               . . x . x . . x x
    locations.read                x . x . x x x x x
    locations.write               . . . . . . . x x
    products.read                 x x x . x x x x x
    products.write                . . . . . . . x x
    replenishment.read            x . x . x x x x x
    replenishment.write           . . . . . . x x x
    reports.read                  x . x . x x x x x
    stockrequests.approve         . . . . . x . x x
    stockrequests.read            x x x . x x x x x
    stockrequests.write           . x x . x . . x x
    transfers.read                x . x . x x x x x
    transfers.write               . . x . x . x x x
    webhooks.write                . . . . . . . x x
"""
ACME, OTHER = UUID(int=1), UUID(int=2)


class InMemory:
    """A policy repository that counts how often it is asked."""

    def __init__(self, rules: dict[UUID, list[Rule]] | None = None) -> None:
        self.rules = rules or {}
        self.asked = 0

    async def rules_of(self, tenant_id: UUID) -> TenantRules:
        self.asked += 1
        return tenant_rules(self.rules.get(tenant_id, []))

    def version(self, tenant_id: UUID) -> str:
        return tenant_rules(self.rules.get(tenant_id, [])).version


def a_rule(role: str, permission: str = "admin.users") -> Rule:
    return Rule(role=role, permission=permission)


async def allowed(policy: CasbinPolicy, source: InMemory, role: str, tenant: UUID = ACME) -> frozenset[Permission]:
    answer = await policy.permissions(tenant_id=tenant, roles=frozenset({role}), version=source.version(tenant))
    return answer.get(role, frozenset())


async def test_each_default_role_permits_what_the_table_says_and_nothing_else() -> None:
    wanted: dict[str, set[str]] = {role: set() for role in ROLES.split()}
    for line in TABLE.strip().splitlines():
        permission, *marks = line.split()
        for role, mark in zip(wanted, marks, strict=True):
            if mark == "x":
                wanted[role].add(permission)

    source = InMemory()
    policy = await CasbinPolicy.load(source)

    assert policy.default_roles == wanted.keys()
    assert {role: set(map(str, await allowed(policy, source, role))) for role in wanted} == wanted
    assert {line.split()[0] for line in TABLE.strip().splitlines()} == set(map(str, Permission))
    assert source.asked == 0


async def test_who_counts_sees_no_quantity_on_hand() -> None:
    source = InMemory()
    policy = await CasbinPolicy.load(source)

    assert await allowed(policy, source, "counter") == {Permission.INVENTORY_CYCLECOUNT}


async def test_a_tenants_own_role_holds_in_that_tenant_alone() -> None:
    source = InMemory({ACME: [a_rule("picker", "inventory.write")]})
    policy = await CasbinPolicy.load(source)

    assert await allowed(policy, source, "picker") == {Permission.INVENTORY_WRITE}
    assert await allowed(policy, source, "picker", OTHER) == frozenset()


async def test_a_tenants_own_role_cannot_take_the_name_of_a_default_one() -> None:
    own = [a_rule("viewer"), a_rule("role:viewer"), a_rule("picker", "inventory.write")]
    source = InMemory({ACME: own})
    policy = await CasbinPolicy.load(source)
    viewer = await allowed(policy, source, "viewer", OTHER)

    assert await allowed(policy, source, "picker") == {Permission.INVENTORY_WRITE}
    assert await allowed(policy, source, "viewer") == viewer
    assert Permission.ADMIN_USERS not in viewer


@pytest.mark.parametrize("bad", [a_rule("a,b"), a_rule("*"), a_rule("ghost", "inventory.everything"), a_rule("")])
async def test_a_rule_that_cannot_be_meant_grants_nothing_and_spoils_no_other(bad: Rule) -> None:
    source = InMemory({ACME: [bad, a_rule("picker", "inventory.write")]})
    policy = await CasbinPolicy.load(source)

    assert await allowed(policy, source, bad.role) == frozenset()
    assert await allowed(policy, source, "picker") == {Permission.INVENTORY_WRITE}


async def test_casbin_is_asked_once_for_each_version_of_a_tenants_rules() -> None:
    source = InMemory({ACME: [a_rule("picker", "inventory.write")]})
    policy = await CasbinPolicy.load(source)

    for _ in range(3):
        await allowed(policy, source, "picker")
    before = source.asked
    source.rules[ACME] = [a_rule("picker", "inventory.read")]
    after = [await allowed(policy, source, "picker") for _ in range(3)]

    assert before == 1
    assert after == [{Permission.INVENTORY_READ}] * 3
    assert source.asked == 2


async def test_a_role_whose_rules_are_gone_permits_nothing() -> None:
    source = InMemory({ACME: [a_rule("picker", "inventory.write")]})
    policy = await CasbinPolicy.load(source)
    await allowed(policy, source, "picker")

    source.rules[ACME] = []

    assert await allowed(policy, source, "picker") == frozenset()


@pytest.mark.parametrize(
    ("roles", "complaint"),
    [
        ("", "permits nobody anything"),
        ("# nothing\n\n", "permits nobody anything"),
        ("g, role:a, role:b", "permits nobody anything"),
        ("p, role:a, *, inventory.raed", "there is no permission 'inventory.raed'"),
        ("p, viewer, *, inventory.read", "'viewer' is not role:<code>"),
        ("p, role:, *, inventory.read", "'role:' is not role:<code>"),
        (f"p, role:a, {ACME}, inventory.read", "default roles hold in every tenant"),
        ("p, role:a, *, inventory.read, allow", "is no rule"),
        ("p, role:a, inventory.read", "is no rule"),
        ("q, role:a, *, inventory.read", "is no rule"),
        ("p, role:a, *, inventory.read\np, role:a, *, inventory.read", "the same p rule twice"),
        ("p, role:a, *, inventory.read\ng, role:a, role:b", "inherits from roles without rules: role:b"),
        ('p, role:a, *, "inventory.read', "cannot be read"),
    ],
)
async def test_a_policy_that_is_not_clean_keeps_the_application_from_starting(
    tmp_path: Path, roles: str, complaint: str
) -> None:
    policies_in(tmp_path, roles.splitlines())

    with pytest.raises(PolicyError, match=complaint):
        await CasbinPolicy.load(InMemory(), folder=tmp_path)


async def test_a_model_that_grants_nothing_keeps_the_application_from_starting(tmp_path: Path) -> None:
    policies_in(tmp_path, ["p, role:a, *, inventory.read"])
    model = tmp_path / "model.conf"
    model.write_text(model.read_text().replace('p.dom == "*"', 'p.dom == "all"'))

    with pytest.raises(PolicyError, match="grants nothing to a"):
        await CasbinPolicy.load(InMemory(), folder=tmp_path)


def test_one_casbin_is_installed_and_not_the_other_that_overwrites_it() -> None:
    names = {name.lower() for name in importlib.metadata.packages_distributions()["casbin"]}

    assert names == {"pycasbin"}


def policies_in(folder: Path, lines: Iterable[str]) -> None:
    shutil.copy(reviewed().model, folder / "model.conf")
    (folder / "roles.csv").write_text("\n".join(lines))
