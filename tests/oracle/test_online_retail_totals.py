"""The oracle sums the sales of a file, and nothing else in it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.oracle.online_retail_totals import customer_totals, main

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
LINES = """\
1,PEN,PEN ,2,2011-10-06 16:20:00,1.50,17850.0,United Kingdom
2,CUP,CUP,1,12/1/10 8:26,7,17850,United Kingdom
1,PEN,PEN,2,2011-10-06 16:20:00,1.50,17850.0,United Kingdom
C3,CUP,RETURNED,1,2011-10-06 16:20:00,7.00,17850.0,United Kingdom
4,CUP,NO CUSTOMER,1,2011-10-06 16:20:00,7.00,,United Kingdom
5,CUP,NOTHING,0,2011-10-06 16:20:00,7.00,17850.0,United Kingdom
6,CUP,FREE,1,2011-10-06 16:20:00,0.0,17850.0,United Kingdom
7,CUP,HALF A PENNY,1,2011-10-06 16:20:00,0.005,17850.0,United Kingdom
8,CUP,OTHER,3,2011-10-06 16:20:00,0.07,15594.0,France
"""


def test_only_whole_sales_of_customers_are_summed(tmp_path: Path) -> None:
    path = tmp_path / "retail.csv"
    path.write_text(HEADER + LINES)
    assert customer_totals(path) == {
        "17850": {"orders": 2, "total_minor": 1300, "items": 3, "invoices": {"1": 600, "2": 700}},
        "15594": {"orders": 1, "total_minor": 21, "items": 1, "invoices": {"8": 21}},
    }


def test_a_file_without_sales_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "retail.csv"
    path.write_text(HEADER)
    assert main([str(path), "http://127.0.0.1:1"]) == 2


def test_a_system_that_serves_other_totals_is_found(tmp_path: Path, views: str) -> None:
    path = tmp_path / "retail.csv"
    path.write_text(HEADER + LINES)
    assert main([str(path), views]) == 0
    path.write_text(HEADER + LINES.replace(",0.07,", ",0.08,"))
    assert main([str(path), views]) == 1


class Views(BaseHTTPRequestHandler):
    """Serves the orders of the lines above."""

    served: ClassVar = {
        "/views/customers/17850/orders": [("1", 600), ("2", 700)],
        "/views/customers/15594/orders": [("8", 21)],
    }

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        orders = [{"reference": name, "total_minor": total} for name, total in self.served[self.path]]
        self.wfile.write(json.dumps({"orders": orders}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def views() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Views) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
