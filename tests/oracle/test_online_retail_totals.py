"""The oracle sums the sales of a file, and nothing else in it."""

from pathlib import Path

from tests.oracle.online_retail_totals import customer_totals

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
