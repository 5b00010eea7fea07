"""LitServe: `python serving_litserve.py PORT`."""

import sys
from typing import Any

import litserve as ls
from bench.serving_work import PATH, Work, knobs


class Numbers(ls.LitAPI):  # type: ignore[misc]  # published without types
    """The benchmark's work."""

    def setup(self, device: str) -> None:
        """Nothing is read."""
        del device
        self.work = Work.told()

    def decode_request(self, request: dict[str, int]) -> int:
        """The number."""
        return request["x"]

    def predict(self, x: Any) -> Any:
        """One, or as many as LitServe has put together."""
        return self.work.batch(x) if isinstance(x, list) else self.work.one(x)

    def unbatch(self, output: Any) -> Any:
        """As they are."""
        return output

    def encode_response(self, output: int) -> dict[str, int]:
        """The answer."""
        return {"y": output}


if __name__ == "__main__":
    told = knobs()
    api = Numbers(api_path=PATH, max_batch_size=int(told.get("batch", 1)), batch_timeout=told.get("delay", 0.0))
    server = ls.LitServer(api, accelerator="cpu", devices=1, timeout=told.get("timeout", 30))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
