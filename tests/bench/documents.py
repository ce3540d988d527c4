"""What is measured of documents: what is shown of very many, and the whole life of one."""

from tests.bench.exchange import EXCHANGE
from tests.bench.flows import COUNTED_LINES
from tests.bench.scenarios import SCENARIOS, Scenario

DOCUMENTS = (
    Scenario(
        name="abc-year",
        title="ABC classes of a location over the year of its ledger",
        path="/api/inventory/cycle-count/abc?locationId={location}",
        limit="bare",
        connections=(1,),
        streamed=True,
    ),
    Scenario(
        name="requests-dashboard",
        title="Stock requests, dashboard of 30 days",
        path="/api/stock-requests/dashboard?days=30",
        limit="bare",
        connections=(1, 8),
        is_list=True,
        asked=True,
    ),
    Scenario(
        name="requests-pending",
        title="Stock requests, first 20 that wait for approval",
        path="/api/stock-requests/pending-approvals?limit=20",
        limit="bare",
        connections=(1, 8),
        is_list=True,
        asked=True,
    ),
    Scenario(
        name="count-1000",
        title=f"Count of {COUNTED_LINES:,} lines, each counted, recounted and accepted: one flow of 13 requests",
        path="/api/inventory/cycle-count",
        limit="none",
        connections=(1,),
        flow="count",
    ),
    Scenario(
        name="request-flow",
        title="Stock request: create, submit, approve, pick, issue, receive: one flow of 6 requests",
        path="/api/stock-requests",
        limit="none",
        connections=(1, 8),
        flow="request",
        asked=True,
    ),
)
EVERYTHING = (*SCENARIOS, *DOCUMENTS, *EXCHANGE)
