"""Make the shipped file from the full CSV: `python -m infra.demo.derive online_retail.csv.xz [OUT]`."""

import argparse
import hashlib
import sys
from pathlib import Path

from infra.demo import packed
from infra.demo.rows import DemoDataError, read_csv

ABOUT = {
    "title": "Online Retail: order lines of a UK gift wholesaler, 2010-12-01 to 2011-12-09",
    "source": "UCI Machine Learning Repository, as published in the R package onlineretail 0.1.2",
    "cite": "Chen, Sain & Guo (2012), doi:10.1057/dbm.2012.17",
    "licence": "CC0-1.0",
}


def derive(source: Path, target: Path) -> int:
    """Write the compact form of a full CSV; returns the number of rows, after reading them back."""
    rows = list(read_csv(source))
    columns = packed.to_columns(rows)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    packed.write(target, columns, {**ABOUT, "derived_from_sha256": digest, "rows": len(rows)})
    _, again = packed.read(target)
    if list(packed.from_columns(again)) != rows:
        raise DemoDataError(f"{target} does not give back what {source} holds")
    return len(rows)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo.derive", description=__doc__)
    parser.add_argument("source", type=Path, help="the full file, .csv or .csv.xz")
    parser.add_argument("target", type=Path, nargs="?", default=packed.SHIPPED, help="default: the shipped file")
    given = parser.parse_args()
    try:
        rows = derive(given.source, given.target)
    except DemoDataError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{given.target}: {rows:,} rows in {given.target.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
