"""What nobody can beat under uvicorn: parse the body, answer a constant of the same size.

No routing, no check, no model, no measurement: what is left is the HTTP server itself.
"""

import os

import msgspec

ANSWER = os.environ["BENCH_ANSWER"].encode()
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(ANSWER)).encode()),
    ],
}
BODY = {"type": "http.response.body", "body": ANSWER}


async def app(scope, receive, send):
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    msgspec.json.decode(body)
    await send(START)
    await send(BODY)
