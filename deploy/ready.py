"""The image's health check: ends with 0 when the process of this container says at /readyz that it can serve."""

import http.client
import os
import sys

LIMIT_SECONDS = 2.5

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["ORDERFLOW_PORT"]), timeout=LIMIT_SECONDS)
try:
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
except OSError as error:
    sys.exit(f"no answer: {error}")
if answer.status != http.HTTPStatus.OK:
    sys.exit(answer.read().decode())
