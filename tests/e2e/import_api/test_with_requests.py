"""The published examples as a planning system's script sends them, with nothing but `requests`."""

import json
import time

import requests

from tests.e2e.api.company import PASSWORD, Company
from tests.lab import Served

OPTIONS = {"allow_record_creation": True, "allow_record_update": True, "should_continue_on_error": False}


def test_a_script_logs_in_uploads_a_file_and_fetches_what_became_of_it(server: Served, company: Company) -> None:
    base = f"{server.url}/{company.slug}/api/v1"
    who = {"email": company.facts["email"], "password": PASSWORD}
    token = requests.post(f"{base}/tokens/create", json=who, timeout=60).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    record = {
        "item_name": company.facts["itemName"],
        "bin_name": company.facts["binName"],
        "lot_name": "",
        "date_filled": "2025-09-01",
        "quantity": "12.5",
        "uom": company.facts["uomName"],
    }
    text = "\r\n".join([",".join(record), ",".join(f'"{cell}"' for cell in record.values()), ""])

    process = f"{base}/inventory/import/process"
    form = {"arguments": json.dumps({"headers_match_exactly": True, **OPTIONS})}
    file = {"file": ("stock.csv", text.encode(), "text/csv")}
    tried = requests.post(process, params={"dry_run": "true"}, data=form, files=file, headers=headers, timeout=60)
    queued = requests.post(process, data=form, files=file, headers=headers, timeout=60)
    job = queued.json()["content"]["job_log_id"]
    deadline = time.monotonic() + 60
    status = {"status": "pending"}
    while status["status"] in {"pending", "processing"}:
        assert time.monotonic() < deadline
        status = requests.get(f"{base}/imports/status/{job}", headers=headers, timeout=60).json()["content"]
        time.sleep(0.05)
    untouched = requests.get(f"{server.url}{status['files']['input'][0]}", headers=headers, timeout=60)  # type: ignore[index]
    rows = [{"item": record["item_name"], "bin": record["bin_name"], "date_filled": record["date_filled"]}]
    deleted = requests.post(f"{base}/inventory/batch-delete", json={"rows": rows}, headers=headers, timeout=60)
    stranger = requests.get(f"{base}/imports/status/{job}", timeout=60)

    assert (tried.status_code, tried.json()["content"]["rows"][0]["action"]) == (200, "create")
    assert queued.status_code == 202
    assert status["status"] == "completed", status
    assert untouched.content == text.encode()
    assert (deleted.status_code, deleted.json()["content"]["deleted_count"]) == (200, 1)
    assert (stranger.status_code, stranger.json().keys()) == (401, {"message", "errors"})
