import pytest

from infra.db.checks import UnfitDatabase, patiently


async def test_a_database_that_is_away_is_waited_for() -> None:
    answers = iter([ConnectionRefusedError(), TimeoutError(), "open"])

    async def attempt() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await patiently(attempt) == "open"


@pytest.mark.parametrize("trouble", [UnfitDatabase("as the owner"), ValueError("a defect")])
async def test_nothing_else_is_waited_for(trouble: Exception) -> None:
    async def attempt() -> None:
        raise trouble

    with pytest.raises(type(trouble)):
        await patiently(attempt)
