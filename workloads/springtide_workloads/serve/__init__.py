"""Serving: `python -m springtide_workloads.serve` is the container's first process.

| file | what it is about |
|---|---|
| `__main__`, `server` | the contract is read; sockets, phases, and the way out. The table in `server` is the reference |
| `notice`, `listener`, `protocol` | spot notices; a listener that closes without a reset; connections that never become whole |
| `app`, `http`, `decode`, `keys` | ASGI to handlers; what handlers see; bodies to types; who may ask |
| `openapi`, `metrics`, `telemetry` | `/openapi.json` and `/docs`; the contract's numbers; OpenTelemetry |
| `line`, `waiting`, `accepted`, `admission`, `reasons` | the bounded queue between the event loop and the thread that computes |
| `work`, `runner` | what an engine is, and the thread that it runs on |
| `predictor`, `resolve`, `batching`, `predict` | the user's contract, and the engine and route of it |
| `assemble`, `gpt`, `generate/`, `openai/` | what a contract's predictor is made of; our own predictor |

Nothing here has been run on a GPU yet.
"""
