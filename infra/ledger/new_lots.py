"""The transaction that makes lots together with the posting that first brings them in."""

from domain.errors import DomainError
from domain.ledger.model import Posted, Posting
from infra.catalog.lots import LotSqlWork
from infra.ledger.post import post


class LotPostingSqlWork(LotSqlWork):
    """The `LotPostingWork` port."""

    async def post_keyed(self, posting: Posting) -> Posted:
        """One statement."""
        (answer,) = await post(self.driver, [posting])
        if isinstance(answer, DomainError):
            raise answer
        return answer
