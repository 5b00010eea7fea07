"""BentoML: `python serving_bentoml.py PORT`."""

import os
import sys
from pathlib import Path
from typing import Any

import bentoml
from bench.serving_work import PATH, Work, knobs

TOLD = knobs()
TRAFFIC = {"max_concurrency": int(TOLD["queue"])} if "queue" in TOLD else {}


class Numbers:
    """The benchmark's work."""

    def __init__(self) -> None:
        self.work = Work.told()

    def predict(self, x: int) -> dict[str, int]:
        """One after the other: BentoML's own threads are one."""
        return {"y": self.work.one(x)}

    predict = bentoml.api(predict, route=PATH)


service: Any = bentoml.service(Numbers, workers=1, **({"traffic": TRAFFIC} if TRAFFIC else {}))

if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    bento = str(Path(sys.executable).with_name("bentoml"))
    arguments = ["serve", "serving_bentoml:service", "--host", "127.0.0.1", "--port", sys.argv[1]]
    os.execv(bento, [bento, *arguments])  # noqa: S606  its own command line, in this process
