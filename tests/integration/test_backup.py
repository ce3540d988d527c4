"""A backup and the log since then lead back to any moment: all that was acknowledged, nothing later (P-30)."""

import asyncio
import random
import re
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from infra.ledger.verify import verify
from infra.postgres import DatabaseTrouble, Running, Server
from infra.postgres.backup import Backup, DamagedBackup, take_backup
from infra.postgres.questions import ask
from infra.postgres.restore import Restored, check_files, prune_archive, restore_backup, send_to_archive
from tests.lab import migrate
from tests.ledger.builders import Warehouse, a_move, a_warehouse

CLIENTS = 8


class Written(msgspec.Struct, frozen=True):
    """A posting that a client was told is done, and when it asked and heard."""

    id: UUID
    sent: float
    acknowledged: float


class History(msgspec.Struct, frozen=True):
    """A server that was written to while it was backed up, and everything that was acknowledged."""

    folder: Path
    running: Running
    backup: Backup
    written: list[Written]

    @property
    def path(self) -> Path:
        return self.folder / "backup"


def silent(_step: str, _done: int, _of: int) -> None:
    """Nobody looks on."""


class Clients:
    """Writes without end from several clients, until told to stop."""

    def __init__(self, ledger: GroupedLedger, warehouse: Warehouse) -> None:
        self.written: list[Written] = []
        self._ledger, self._warehouse, self._stop = ledger, warehouse, asyncio.Event()
        self._tasks = [asyncio.create_task(self._write(seed)) for seed in range(CLIENTS)]
        self._more = asyncio.Condition()

    async def _write(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop.is_set():
            posting = a_move(chance.choice(self._warehouse.shelves()), chance.randint(1, 9))
            sent = time.time()
            await self._ledger.post(posting, tenant_id=self._warehouse.tenant_id)
            self.written.append(Written(posting.id, sent, time.time()))
            async with self._more:
                self._more.notify_all()

    async def write(self, more: int) -> None:
        """Wait until so many more have been acknowledged."""
        wanted = len(self.written) + more
        async with self._more:
            await self._more.wait_for(lambda: len(self.written) >= wanted)

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)


def a_folder() -> Path:
    """One that other accounts can enter: as root, the server runs as one."""
    folder = Path(tempfile.mkdtemp(prefix="storekeeper-backup-", dir="/var/tmp"))
    folder.chmod(0o755)
    return folder


def archived(backup: Backup) -> list[str]:
    assert backup.archive
    return sorted(path.name for path in Path(backup.archive).iterdir())


@pytest.fixture(scope="module")
async def history() -> AsyncGenerator[History]:
    folder = a_folder()
    server = Server(folder / "data", archive=folder / "log")
    try:
        running = server.start()
        migrate(running.admin_url)
        admin = await asyncpg.connect(running.admin_url)
        warehouse = await a_warehouse(admin, products=5, bins=2)
        await admin.close()
        database = await Database.connect(running.app_url)
        clients = Clients(GroupedLedger(database), warehouse)
        await clients.write(200)
        backup = await asyncio.to_thread(take_backup, running, folder / "backup", silent)
        await clients.write(500)
        await asyncio.to_thread(send_to_archive, running, backup)
        await clients.write(500)
        await clients.stop()
        await database.close()
        await asyncio.to_thread(send_to_archive, running, backup)
        yield History(folder, running, backup, clients.written)
    finally:
        server.destroy()
        shutil.rmtree(folder)


@contextmanager
def restored(history: History, **how: object) -> Iterator[tuple[Restored, Running]]:
    """A restored copy, with a server on it."""
    to = Path(tempfile.mkdtemp(prefix="restored-", dir=history.folder))
    copy = restore_backup(history.path, to=to, progress=silent, **{"at": None, "archive": None, **how})  # type: ignore[arg-type]
    server = Server(copy.home)
    try:
        yield copy, server.start()
    finally:
        server.destroy()
        shutil.rmtree(to)


async def postings(running: Running) -> set[UUID]:
    connection = await asyncpg.connect(running.admin_url)
    try:
        return {row["id"] for row in await connection.fetch("SELECT id FROM postings")}
    finally:
        await connection.close()


@pytest.mark.parametrize("targets", [1, pytest.param(10, marks=pytest.mark.long)])
async def test_a_restore_to_any_moment_has_what_was_acknowledged_before_and_nothing_after(
    history: History, targets: int
) -> None:
    last = history.written[-1].acknowledged
    chance = random.Random(targets)
    for _ in range(targets):
        at = chance.uniform(history.backup.finished_at.timestamp(), last)
        moment = datetime.fromtimestamp(at, UTC)
        before = {one.id for one in history.written if one.acknowledged < moment.timestamp()}
        after = {one.id for one in history.written if one.sent > moment.timestamp()}
        with restored(history, at=moment) as (_, running):
            found = await postings(running)
            report = await verify(running.admin_url)

        assert before
        assert after
        assert before <= found
        assert not found & after
        assert report.is_clean
        assert report.postings == len(found)


async def test_without_a_moment_a_restore_has_all_that_was_archived(history: History) -> None:
    with restored(history) as (copy, running):
        found = await postings(running)
        whole = check_files(running, silent)

    assert found == {one.id for one in history.written}
    assert copy.segments > 1
    assert whole


def test_a_lost_disk_takes_at_most_the_last_minute_with_it(history: History) -> None:
    assert (
        ask(history.running, "SELECT extract(epoch FROM current_setting('archive_timeout')::interval) <= 60")
        == "t"
    )


async def test_a_restored_copy_writes_on_and_archives_apart(history: History, tmp_path: Path) -> None:
    with restored(history) as (copy, first):
        Server(copy.home).stop()
        running = Server(copy.home, archive=history.folder / "log").start()
        second = history.folder / "second"
        backup = await asyncio.to_thread(take_backup, running, second, silent)

    assert first.port
    assert backup.archive != history.backup.archive
    assert backup.system == history.backup.system
    assert archived(history.backup)[-1].startswith("00000001")


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def a_table(base: Path) -> Path:
    return max((base / "base").rglob("[0-9]*"), key=lambda path: path.stat().st_size)


def flip_needed_log(base: Path) -> None:
    """Where the log begins that the backup cannot do without."""
    began = re.search(r"START WAL LOCATION: \w+/(\w+) \(file (\w+)\)", (base / "backup_label").read_text())
    assert began
    flip(base / "pg_wal" / began[2], int(began[1], 16) % (16 << 20) + 10)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "one bit of a table": lambda base: flip(a_table(base), 5_000),
    "one bit of the log": flip_needed_log,
    "a missing file": lambda base: (base / "global" / "pg_control").unlink(),
    "a file too many": lambda base: (base / "global" / "9999").write_bytes(b"x"),
    "another manifest": lambda base: (base / "backup_manifest").write_text("{}"),
    "no manifest": lambda base: (base / "backup_manifest").unlink(),
    "no description": lambda base: (base.parent / "backup.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused(history: History, damage: str) -> None:
    copy, to = history.folder / "damaged", history.folder / "never"
    shutil.copytree(history.path, copy)
    try:
        DAMAGES[damage](copy / "base")

        with pytest.raises(DamagedBackup):
            restore_backup(copy, to=to, at=None, archive=None, progress=silent)
        assert not to.exists()
    finally:
        shutil.rmtree(copy)


def test_a_gap_in_the_archived_log_is_not_taken_for_its_end(history: History) -> None:
    log, to = history.folder / "moved", history.folder / "never"
    shutil.copytree(Path(history.backup.archive or ""), log)
    for path in log.iterdir():
        path.chmod(0o644)
    try:
        segments = sorted(path for path in log.iterdir() if len(path.name) == 24)
        segments[-2].unlink()

        with pytest.raises(DamagedBackup, match="The archived log breaks off in"):
            restore_backup(history.path, to=to, at=None, archive=log, progress=silent)
        assert not to.exists()
    finally:
        shutil.rmtree(log)


def test_pruning_leaves_what_the_oldest_backup_kept_needs(history: History) -> None:
    log = history.folder / "pruned"
    shutil.copytree(Path(history.backup.archive or ""), log)
    for path in log.iterdir():
        path.chmod(0o644)
    try:
        removed = prune_archive(history.path, log, silent)

        assert removed >= 1
        assert len(list(log.glob("0*"))) == len(archived(history.backup)) - removed
        with restored(history, archive=log) as (copy, _):
            assert copy.segments > 1
        flip_needed_log(history.path / "base")
        with pytest.raises(DamagedBackup):
            prune_archive(history.path, log, silent)
    finally:
        flip_needed_log(history.path / "base")
        shutil.rmtree(log)


@pytest.mark.parametrize(
    ("away", "sentence"),
    [
        (-timedelta(hours=1), "goes only forward from there"),
        (timedelta(hours=1), "The archived log ends before that moment"),
    ],
)
def test_a_moment_that_is_not_covered_is_refused(history: History, away: timedelta, sentence: str) -> None:
    to = history.folder / "never"

    with pytest.raises(DatabaseTrouble, match=sentence):
        restore_backup(history.path, to=to, at=history.backup.finished_at + away, archive=None, progress=silent)
    assert not to.exists()


def test_nothing_is_ever_overwritten(history: History, tmp_path: Path) -> None:
    (tmp_path / "something").touch()

    with pytest.raises(DatabaseTrouble, match="never overwrites"):
        restore_backup(history.path, to=tmp_path, at=None, archive=None, progress=silent)
    with pytest.raises(DatabaseTrouble, match="a folder of its own"):
        take_backup(history.running, tmp_path, silent)
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


def test_a_backup_that_fails_leaves_nothing_behind(history: History, tmp_path: Path) -> None:
    stranger = msgspec.structs.replace(history.running, passwords={"postgres": "wrong", "storekeeper_app": ""})

    with pytest.raises(DatabaseTrouble, match="password authentication failed"):
        take_backup(stranger, tmp_path / "backup", silent)
    assert list(tmp_path.iterdir()) == []
