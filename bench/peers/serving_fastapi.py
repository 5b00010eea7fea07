"""FastAPI on uvicorn: `python serving_fastapi.py PORT`. The model does one thing at a time, hence the lock."""

import sys
import threading

import uvicorn
from bench.serving_work import PATH, Work, knobs
from fastapi import FastAPI
from pydantic import BaseModel

WORK, LOCK = Work.told(), threading.Lock()


class In(BaseModel):
    """What is asked."""

    x: int


def predict(asked: In) -> dict[str, int]:
    """In FastAPI's threads."""
    with LOCK:
        return {"y": WORK.one(asked.x)}


if __name__ == "__main__":
    app = FastAPI()
    app.post(PATH)(predict)
    queue = knobs().get("queue")
    limit = None if queue is None else int(queue)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), limit_concurrency=limit, log_level="warning")
