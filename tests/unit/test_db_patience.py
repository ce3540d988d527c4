import pytest

from infra.db.checks import UnfitDatabase, patiently


async def test_a_database_that_is_away_is_waited_for() -> None:
    troubles: list[Exception] = [ConnectionRefusedError(), TimeoutError()]

    async def attempt() -> str:
        if troubles:
            raise troubles.pop()
        return "open"

    assert await patiently(attempt) == "open"


@pytest.mark.parametrize("trouble", [UnfitDatabase("as the owner"), ValueError("a defect")])
async def test_nothing_else_is_waited_for(trouble: Exception) -> None:
    async def attempt() -> None:
        raise trouble

    with pytest.raises(type(trouble)):
        await patiently(attempt)
