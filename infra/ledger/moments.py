"""When something happened, for statements that judge by the day."""

MOMENT = """(
        SELECT least(greatest(coalesce($11::timestamptz, now()), '1900-01-01 00:00:00+00'), now()) AS at
    ) moment"""
"""The moment `at` of an act that may be back-dated by the parameter $11.

A moment in the future is refused by the ledger later; here neither it nor one of long ago may leave the years
that a date can have.
"""
