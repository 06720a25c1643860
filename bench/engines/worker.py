"""A worker process of the trial: ``python -m bench.engines.worker VARIANT URL FENCED LEASE_S``. It works until it is killed.

It writes ``ready`` once, ``began JOB FENCE TIME`` and ``worked JOB FENCE`` for each job, and ``refused JOB`` where the row
refused a delivery.
"""

from __future__ import annotations

import sys

from bench.engines import delivery
from bench.engines.rows import Place


def main(variant: str, url: str, fenced: str, lease_s: str) -> None:
    place = Place(url, fenced=fenced == "True", lease_s=float(lease_s))
    delivery(variant, place).work(lambda: print("ready", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
